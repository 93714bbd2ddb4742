using RabbitMQ.Client;
using Seckill.Ordering.DeadLetters;

namespace Seckill.Api.DeadLetters;

/// <summary>The broker's own record of dead-lettering a message, or a producer's header in its place.</summary>
/// <param name="Reason">rejected, expired, maxlen or delivery_limit.</param>
/// <param name="Count">How often, over all queues and reasons.</param>
/// <param name="FirstAt">The oldest entry's time; null without one.</param>
/// <param name="LastAt">The newest entry's time; null without one.</param>
internal sealed record BrokerDeath(string Reason, long Count, DateTimeOffset? FirstAt, DateTimeOffset? LastAt)
{
    private const string Header = "x-death";

    /// <summary>The years 1 to 9999, seconds since 1970.</summary>
    private const long SecondsMin = -62_135_596_800;
    private const long SecondsMax = 253_402_300_799;

    /// <summary>Reads the header x-death, newest entry first; null when the broker did not dead-letter the message.</summary>
    public static BrokerDeath? Read(IDictionary<string, object?>? headers)
    {
        if (headers?.TryGetValue(Header, out var value) != true || value is not IList<object?> list)
        {
            return null;
        }

        var entries = list.OfType<IDictionary<string, object?>>().ToList();
        if (entries.Count == 0)
        {
            return null;
        }

        var times = entries.Select(TimeOf).ToList();
        return new BrokerDeath(HeaderValues.TextOf(entries[0], "reason") ?? "unknown", CountOf(entries), times.Min(), times.Max());
    }

    /// <summary>An entry without a count counts once.</summary>
    private static long CountOf(List<IDictionary<string, object?>> entries)
    {
        var sum = entries.Aggregate(0m, (sum, entry) => sum + (HeaderValues.NumberOf(entry, "count") ?? 1));
        return (long)Math.Min(sum, long.MaxValue);
    }

    /// <summary>Null for a time out of range.</summary>
    private static DateTimeOffset? TimeOf(IDictionary<string, object?> entry) =>
        entry.TryGetValue("time", out var time) && time is AmqpTimestamp { UnixTime: >= SecondsMin and <= SecondsMax } stamp
            ? DateTimeOffset.FromUnixTimeSeconds(stamp.UnixTime)
            : null;
}
