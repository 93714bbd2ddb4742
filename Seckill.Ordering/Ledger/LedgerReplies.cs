using System.Globalization;
using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>Reads the replies of the ledger's scripts.</summary>
internal static class LedgerReplies
{
    /// <summary>The reply of due.lua for one SKU: two values for each order, its id and its record.</summary>
    public static DueReply DueReplyOf(SkuKeys sku, Task<RedisResult> call)
    {
        if (!call.IsCompletedSuccessfully)
        {
            return new DueReply(sku, [], call.Exception?.InnerException ?? new TaskCanceledException(call));
        }

        var reply = (RedisResult[])call.Result!;
        var (due, error) = (new List<Reservation>(reply.Length / 2), (Exception?)null);
        for (var i = 0; i < reply.Length; i += 2)
        {
            try
            {
                due.Add(Reservation.Parse((long)reply[i], (string)reply[i + 1]!));
            }
            catch (Exception exception) when (exception is FormatException or InvalidCastException or OverflowException)
            {
                // An unreadable entry or record must not delay the others.
                error = exception;
            }
        }

        return new DueReply(sku, due, error);
    }

    /// <summary>The reply of reserve.lua: time, epoch, stock left, reservations ever accepted, then two values for each request.</summary>
    public static ReserveReply ReserveReplyOf(RedisResult[] reply, int count)
    {
        var results = new ReserveResult[count];
        for (var i = 0; i < results.Length; i++)
        {
            results[i] = ResultOf((string)reply[4 + (i * 2)]!, (RedisValue)reply[5 + (i * 2)]);
        }

        return new ReserveReply((long)reply[0], (long)reply[1], (long)reply[2], (long)reply[3], results);
    }

    /// <summary>The reply of snapshot.lua, for at most <paramref name="idsMax"/> ids.</summary>
    /// <exception cref="UnreadableKeysException">The stored data is not in our format.</exception>
    public static LedgerSnapshot SnapshotOf(SkuKeys sku, RedisResult result, int idsMax)
    {
        try
        {
            var reply = (RedisResult[])result!;
            var unsettled = (long)reply[4];
            bool? same = (long)reply[6] < 0 ? null : (long)reply[6] == 1;
            return new LedgerSnapshot(
                OrNull(reply[0]), OrNull(reply[1]), (long)reply[3], unsettled, (long)reply[5], same, (long)reply[7] == 1,
                unsettled <= idsMax ? IdsOf(Array.ConvertAll(reply[14..], id => (RedisValue)id)) : null,
                (long)reply[9] is >= 0 and var units ? units : null, IdsOf((RedisValue[])reply[10]!))
            {
                LoadToken = OrNull(reply[2]),
                Terms = (string?)reply[8],
                RunId = (string?)reply[11] is { Length: > 0 } runId ? runId : null,
                Counted = OrNull(reply[12]),
                Warmed = OrNull(reply[13]),
            };
        }
        catch (Exception exception)
        {
            // Only the stored data varies, so whatever fails here is a fault of this SKU's keys, and of no other's.
            throw new UnreadableKeysException(sku.SkuId, exception);
        }
    }

    /// <summary>
    /// Skips an entry that is not in our format: it is no order and no SKU, the scripts ignore it, and it must not hide the others.
    /// </summary>
    public static List<long> IdsOf(params RedisValue[] entries)
    {
        var ids = new List<long>(entries.Length);
        foreach (var entry in entries)
        {
            if (long.TryParse((string?)entry, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            {
                ids.Add(id);
            }
        }

        return ids;
    }

    /// <summary>The result of one of many calls of settle.lua.</summary>
    public static SettleReply SettleReplyOf(Task<RedisResult> call)
    {
        try
        {
            return call.IsCompletedSuccessfully
                ? new SettleReply(SettleCodesOf(call.Result), null)
                : new SettleReply([], call.Exception?.InnerException ?? new TaskCanceledException(call));
        }
        catch (FormatException exception)
        {
            return new SettleReply([], exception);
        }
    }

    /// <summary>The reply of settle.lua: one code for each order.</summary>
    public static SettleCode[] SettleCodesOf(RedisResult reply) => Array.ConvertAll((RedisResult[])reply!, code => (string)code! switch
    {
        "A" => SettleCode.Settled,
        "B" => SettleCode.AlreadySettled,
        "C" => SettleCode.Contradicted,
        "G" => SettleCode.Forgotten,
        "O" => SettleCode.OtherBuyer,
        "N" => SettleCode.Unreadable,
        var other => throw new FormatException($"settle.lua answered '{other}'."),
    });

    /// <summary>
    /// Never throws for a value: it may come from one click's entry, and the other clicks of the call may have been accepted.
    /// </summary>
    private static ReserveResult ResultOf(string code, RedisValue value)
    {
        var isNumber = value.TryParse(out long number);
        return code switch
        {
            "U" => new(ReserveCode.NumberUsed, 0, 0),
            "I" => new(ReserveCode.IdTaken, 0, 0),
            "P" => new(ReserveCode.Paused, 0, 0),
            "C" => new(ReserveCode.Cold, 0, 0),
            "X" => new(ReserveCode.TooLate, 0, 0),
            _ when !isNumber => new(ReserveCode.Unreadable, 0, 0),
            "A" => new(ReserveCode.Accepted, number, 0),
            "D" => new(ReserveCode.Duplicate, number, 0),
            "S" => new(ReserveCode.SoldOut, 0, number),
            "M" => new(ReserveCode.LimitReached, 0, number),
            "E" => new(ReserveCode.NotStarted, 0, number),
            "L" => new(ReserveCode.Ended, 0, number),
            _ => throw new FormatException($"reserve.lua answered '{code}'."),
        };
    }

    private static long? OrNull(RedisResult result) => (string)result! is { Length: > 0 } ? (long)result : null;
}
