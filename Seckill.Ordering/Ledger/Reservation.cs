using System.Globalization;

namespace Seckill.Ordering.Ledger;

/// <summary>What the gate says to one request.</summary>
public enum ReserveCode
{
    /// <summary>Deducted and recorded.</summary>
    Accepted,

    /// <summary>The same (user, client_order_no) was accepted before.</summary>
    Duplicate,
    SoldOut,
    LimitReached,
    NotStarted,
    Ended,
    Paused,

    /// <summary>Redis does not know this SKU's stock: not loaded yet, or lost.</summary>
    Cold,
}

/// <summary>One request to the gate.</summary>
/// <param name="OrderId">Snowflake id that the order will have if accepted.</param>
/// <param name="UserId">The buyer.</param>
/// <param name="Quantity">Units.</param>
/// <param name="ClientOrderNo">The click's own number, or null.</param>
/// <param name="TraceParent">W3C trace context, kept with the reservation so that a later publish joins the trace.</param>
public readonly record struct ReserveRequest(long OrderId, long UserId, int Quantity, string? ClientOrderNo, string? TraceParent);

/// <summary>The gate's answer to one request.</summary>
/// <param name="Code">The outcome.</param>
/// <param name="OrderId">The order's id for <see cref="ReserveCode.Accepted"/> and <see cref="ReserveCode.Duplicate"/>, else 0.</param>
/// <param name="Value">Stock left, limit, or the window's start or end in ms, as the code has it; else 0.</param>
public readonly record struct ReserveResult(ReserveCode Code, long OrderId, long Value);

/// <summary>The gate's answer to one call.</summary>
/// <param name="NowMs">Redis time, ms since 1970 UTC.</param>
/// <param name="Epoch">Which load of the counter was deducted from.</param>
/// <param name="StockLeft">Units left after the call.</param>
/// <param name="ReservedCount">Reservations ever accepted for this SKU; unchanged means that no new buyer came in.</param>
/// <param name="Results">One for each request, in order.</param>
public sealed record ReserveReply(long NowMs, long Epoch, long StockLeft, long ReservedCount, ReserveResult[] Results);

/// <summary>Where an order stands.</summary>
public enum OrderState
{
    Pending,
    Success,
    Failed,
}

/// <summary>A reservation's record as Redis keeps it.</summary>
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
    long? ConfirmedAtMs = null)
{
    /// <summary>
    /// Reads <c>state|quantity|user|epoch|reserved_ms|client_order_no|traceparent[|settled_ms[,confirmed_ms]|detail]</c>. The confirm is known once the
    /// order is settled, if it was noted before that; until then the outbox has it.
    /// </summary>
    /// <exception cref="FormatException">The record is not ours.</exception>
    public static Reservation Parse(long orderId, string record)
    {
        var parts = record.Split('|', 9);
        if (parts.Length < 7)
        {
            throw new FormatException($"Reservation {orderId} has {parts.Length} parts, not 7 or 9.");
        }

        var state = parts[0] switch
        {
            "P" => OrderState.Pending,
            "S" => OrderState.Success,
            "F" => OrderState.Failed,
            _ => throw new FormatException($"Reservation {orderId} has the unknown state '{parts[0]}'."),
        };
        string[] times = parts.Length == 9 ? parts[7].Split(',') : [];
        return new Reservation(
            orderId,
            state,
            int.Parse(parts[1], CultureInfo.InvariantCulture),
            Number(parts[2]),
            Number(parts[3]),
            Number(parts[4]),
            parts[5].Length == 0 ? null : parts[5],
            parts[6].Length == 0 ? null : parts[6],
            times.Length > 0 ? Number(times[0]) : null,
            parts.Length == 9 ? parts[8] : null,
            times.Length > 1 ? Number(times[1]) : null);

        static long Number(string s) => long.Parse(s, CultureInfo.InvariantCulture);
    }
}
