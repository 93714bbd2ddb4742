using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Seckill.Ordering.Contract;

/// <summary>
/// The terms of a SKU's offer: its price, and a version that identifies price, title, image and attributes together. It travels with the
/// reservation and the message; the order is charged and displayed according to it, whatever has been edited meanwhile.
/// </summary>
public sealed class Offer
{
    /// <summary>Maximum price of a unit, such that <see cref="OrderLimits.QuantityMax"/> units still fit the order's columns.</summary>
    public const decimal PriceMax = 9_999_999_999_999.99m;

    /// <summary>Characters of a version: lower-case hexadecimal digits.</summary>
    public const int VersionLength = 16;

    private const char Separator = '@';
    private const char TraceSeparator = ';';
    private const int PriceDecimals = 2;

    private Offer(decimal price, string version, string text) => (Price, Version, Text) = (price, version, text);

    /// <summary>The price of a unit in the shop's currency; 0 to <see cref="PriceMax"/>, two decimals.</summary>
    public decimal Price { get; }

    /// <summary>
    /// The first 64 bits of the SHA-256 of the offer's contents, so equal contents have equal versions on every instance.
    /// </summary>
    public string Version { get; }

    /// <summary>The form in records and messages: <c>1999.00@9f86d081884c7d65</c>.</summary>
    public string Text { get; }

    /// <summary>The offer described by a SKU's row.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The price cannot be charged.</exception>
    public static Offer Of(decimal price, string title, string image, string attrs)
    {
        if (price is < 0 or > PriceMax)
        {
            throw new ArgumentOutOfRangeException(nameof(price), price, $"A price must be 0 to {PriceMax}.");
        }

        var priceText = price.ToString("F2", CultureInfo.InvariantCulture);
        // The lengths prevent different fields from giving the same content when joined.
        var content = string.Create(
            CultureInfo.InvariantCulture, $"{priceText}\n{title.Length} {image.Length} {attrs.Length}\n{title}\n{image}\n{attrs}");
        var version = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content)).AsSpan(0, VersionLength / 2));
        return new Offer(price, version, $"{priceText}{Separator}{version}");
    }

    /// <summary>Reads <see cref="Text"/>; false if it is malformed.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out Offer? offer)
    {
        offer = null;
        var at = text?.IndexOf(Separator, StringComparison.Ordinal) ?? -1;
        if (at <= 0 || text!.Length != at + 1 + VersionLength)
        {
            return false;
        }

        var version = text[(at + 1)..];
        if (!decimal.TryParse(text.AsSpan(0, at), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var price)
            || price > PriceMax || price.Scale > PriceDecimals || !version.All(char.IsAsciiHexDigitLower))
        {
            return false;
        }

        offer = new Offer(price, version, text);
        return true;
    }

    public override string ToString() => Text;

    /// <summary>
    /// Splits the field <c>traceparent[;offer]</c> of a record. The offer was added later. It has no field of its own because the scripts
    /// of older instances keep this field as it is but would lose an additional one.
    /// </summary>
    public static (string? TraceParent, string? Offer) SplitTrace(string field)
    {
        var at = field.IndexOf(TraceSeparator, StringComparison.Ordinal);
        return at < 0
            ? (field.Length == 0 ? null : field, null)
            : (at == 0 ? null : field[..at], at + 1 < field.Length ? field[(at + 1)..] : null);
    }
}
