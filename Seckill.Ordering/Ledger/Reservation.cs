using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Seckill.Ordering.Ledger;

/// <summary>The gate's answer to one request.</summary>
public enum ReserveCode
{
    /// <summary>Deducted and recorded.</summary>
    Accepted,

    /// <summary>The same (user, client_order_no) was accepted before.</summary>
    Duplicate,

    /// <summary>The same (user, client_order_no) was accepted before with another quantity.</summary>
    NumberUsed,
    SoldOut,
    LimitReached,

    /// <summary>The order id already belongs to another order: try again with a new one.</summary>
    IdTaken,
    NotStarted,
    Ended,
    Paused,

    /// <summary>Redis does not know this SKU's stock: not loaded yet, or lost.</summary>
    Cold,

    /// <summary>Redis ran the call after its deadline.</summary>
    TooLate,

    /// <summary>The stored entry of this click is not in our format; nothing was reserved.</summary>
    Unreadable,
}

/// <summary>One request to the gate.</summary>
/// <param name="OrderId">Snowflake id that the order gets if accepted.</param>
/// <param name="UserId">The buyer.</param>
/// <param name="Quantity">Units.</param>
/// <param name="ClientOrderNo">The click's own number, or null.</param>
/// <param name="TraceParent">W3C trace context, kept with the reservation so that a later publish joins the trace.</param>
/// <param name="Offer">The offer by which the order is charged and displayed, as <see cref="Contract.Offer.Text"/>; null for the SKU's data
/// at the time of writing.</param>
public readonly record struct ReserveRequest(
    long OrderId, long UserId, int Quantity, string? ClientOrderNo, string? TraceParent, string? Offer = null);

/// <summary>The gate's answer to one request.</summary>
/// <param name="Code">The outcome.</param>
/// <param name="OrderId">The order's id for <see cref="ReserveCode.Accepted"/> and <see cref="ReserveCode.Duplicate"/>, else 0.</param>
/// <param name="Value">Stock left, limit, or the window's start or end in ms, depending on the code; else 0.</param>
public readonly record struct ReserveResult(ReserveCode Code, long OrderId, long Value);

/// <summary>The gate's answer to one call.</summary>
/// <param name="NowMs">Redis time, ms since 1970 UTC.</param>
/// <param name="Epoch">The load of the counter that was deducted from.</param>
/// <param name="StockLeft">Units left after the call.</param>
/// <param name="ReservedCount">Reservations ever accepted for this SKU; an unchanged count means that there was no new buyer.</param>
/// <param name="Results">One for each request, in order.</param>
public sealed record ReserveReply(long NowMs, long Epoch, long StockLeft, long ReservedCount, ReserveResult[] Results);

/// <summary>The state of an order.</summary>
public enum OrderState
{
    Pending,
    Success,
    Failed,
}

/// <summary>A reservation as stored in Redis.</summary>
public sealed record Reservation(
    long OrderId,
    OrderState State,
    int Quantity,
    long UserId,
    long Epoch,
    long ReservedAtMs,
    string? ClientOrderNo,
    string? TraceParent,
    long? SettledAtMs,
    string? Detail,
    long? ConfirmedAtMs = null,
    string? Offer = null)
{
    private const char Separator = '|';
    private const int PendingParts = 7;
    private const int SettledParts = 9;

    /// <summary>Reads a value of <see cref="SkuKeys.Orders"/>, which record.lua describes.</summary>
    /// <exception cref="FormatException">The record is not in our format.</exception>
    public static Reservation Parse(long orderId, string record)
    {
        var parts = record.Split(Separator, SettledParts);
        if (parts.Length < PendingParts)
        {
            throw new FormatException($"Reservation {orderId} has {parts.Length} parts, not {PendingParts} or {SettledParts}.");
        }

        var state = parts[0] switch
        {
            "P" => OrderState.Pending,
            "S" => OrderState.Success,
            "F" => OrderState.Failed,
            _ => throw new FormatException($"Reservation {orderId} has the unknown state '{parts[0]}'."),
        };
        var (trace, offer) = Contract.Offer.SplitTrace(parts[6]);
        string[] times = parts.Length == SettledParts ? parts[7].Split(',') : [];
        return new Reservation(
            orderId,
            state,
            Units(parts[1]),
            Number(parts[2]),
            Number(parts[3]),
            Number(parts[4]),
            parts[5].Length == 0 ? null : parts[5],
            trace,
            times.Length > 0 ? Number(times[0]) : null,
            parts.Length == SettledParts ? parts[8] : null,
            times.Length > 1 ? Number(times[1]) : null,
            offer);
    }

    /// <summary>Reads a line of <see cref="StockLedger.OutcomeChannel"/>: the order's id, then its record.</summary>
    /// <exception cref="FormatException">The line is not in our format.</exception>
    public static Reservation ParseOutcome(ReadOnlySpan<char> line)
    {
        var end = line.IndexOf(Separator);
        return end < 0
            ? throw new FormatException("A line of the outcome channel has no record.")
            : Parse(Number(line[..end]), line[(end + 1)..].ToString());
    }

    /// <summary>The user id in such a line; the rest of the line is not read.</summary>
    /// <exception cref="FormatException">The line is not in our format.</exception>
    public static long UserIdOfOutcome(ReadOnlySpan<char> line)
    {
        // Order id, state, quantity, user id.
        Span<Range> parts = stackalloc Range[5];
        return line.Split(parts, Separator) < parts.Length
            ? throw new FormatException("A line of the outcome channel has fewer than five parts.")
            : Number(line[parts[3]]);
    }

    /// <summary>
    /// The newest order's id in a value of <see cref="SkuKeys.Buyers"/>; any other value when the entry is not in our format.
    /// </summary>
    internal static string NewestOrderIdOf(string buyer) => buyer[(buyer.IndexOf(Separator, StringComparison.Ordinal) + 1)..];

    /// <summary>Reads a value of <see cref="SkuKeys.Orders"/>; false when it is not in our format.</summary>
    public static bool TryParse(long orderId, string record, [NotNullWhen(true)] out Reservation? reservation)
    {
        try
        {
            reservation = Parse(orderId, record);
            return true;
        }
        catch (FormatException)
        {
            reservation = null;
            return false;
        }
    }

    private static int Units(ReadOnlySpan<char> text) => int.TryParse(
        text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var units)
        ? units
        : throw new FormatException($"'{text}' is not a number of units.");

    /// <summary>Turns every parse error into a format error, including an overflow.</summary>
    private static long Number(ReadOnlySpan<char> text) => long.TryParse(
        text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var number)
        ? number
        : throw new FormatException($"'{text}' is not a 64-bit number.");
}
