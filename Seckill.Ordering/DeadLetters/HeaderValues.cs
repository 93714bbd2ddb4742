using System.Globalization;
using System.Text;

namespace Seckill.Ordering.DeadLetters;

/// <summary>Reads untrusted headers: a malformed value is null, and nothing throws.</summary>
public static class HeaderValues
{
    /// <summary>Maximum number of characters read from a text.</summary>
    private const int TextLengthMax = 1_000;

    /// <summary>Strings arrive as bytes, numbers in whatever width the producer chose; tables and lists are not text.</summary>
    public static string? TextOf(IDictionary<string, object?>? headers, string name) =>
        headers?.TryGetValue(name, out var value) != true ? null : value switch
        {
            byte[] bytes => Cut(Encoding.UTF8.GetString(bytes.AsSpan(0, Math.Min(bytes.Length, TextLengthMax * 4)))),
            string text => Cut(text),
            IFormattable number => Cut(number.ToString(null, CultureInfo.InvariantCulture)),
            _ => null,
        };

    /// <summary>A whole number that is not negative.</summary>
    public static long? NumberOf(IDictionary<string, object?>? headers, string name) =>
        long.TryParse(TextOf(headers, name), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>A point in time, ISO 8601; without an offset it is UTC.</summary>
    public static DateTimeOffset? TimeOf(IDictionary<string, object?>? headers, string name) =>
        DateTimeOffset.TryParse(TextOf(headers, name), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time
            : null;

    /// <summary>Cuts between characters, never inside a surrogate pair.</summary>
    public static string Cut(string text, int lengthMax = TextLengthMax) =>
        text.Length <= lengthMax ? text : text[..(char.IsHighSurrogate(text[lengthMax - 1]) ? lengthMax - 1 : lengthMax)];
}
