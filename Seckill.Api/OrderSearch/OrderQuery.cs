using System.Globalization;
using Seckill.Ordering.Contract;

namespace Seckill.Api.OrderSearch;

/// <summary>A search as an operator typed it, and its possible meanings.</summary>
/// <param name="Text">As it was typed.</param>
/// <param name="Id">An order id or a user id, if it is a number.</param>
/// <param name="Click">A buyer's click, if the text looks like <c>7:front-0001</c>.</param>
internal sealed record OrderQuery(string Text, long? Id, (long UserId, string Number)? Click)
{
    private const int LengthMax = 96;

    /// <summary>Null when the text cannot identify an order.</summary>
    public static OrderQuery? Parse(string? typed)
    {
        var text = typed?.Trim() ?? "";
        if (text.Length is 0 or > LengthMax || !text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or ':' or '-'))
        {
            return null;
        }

        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return new OrderQuery(
            text, IdOf(text),
            colon > 0 && IdOf(text[..colon]) is { } userId && OrderLimits.Validate(userId, 1, 1, text[(colon + 1)..]) is null
                ? (userId, text[(colon + 1)..])
                : null);
    }

    private static long? IdOf(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id > 0 ? id : null;
}
