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

    private static ReserveResult ResultOf(string code, RedisValue value) => code switch
    {
        "A" => new(ReserveCode.Accepted, (long)value, 0),
        "D" => new(ReserveCode.Duplicate, (long)value, 0),
        "U" => new(ReserveCode.NumberUsed, 0, 0),
        "S" => new(ReserveCode.SoldOut, 0, (long)value),
        "I" => new(ReserveCode.IdTaken, 0, 0),
        "M" => new(ReserveCode.LimitReached, 0, (long)value),
        "E" => new(ReserveCode.NotStarted, 0, (long)value),
        "L" => new(ReserveCode.Ended, 0, (long)value),
        "P" => new(ReserveCode.Paused, 0, 0),
        "C" => new(ReserveCode.Cold, 0, 0),
        "X" => new(ReserveCode.TooLate, 0, 0),
        _ => throw new FormatException($"reserve.lua answered '{code}'."),
    };
}
