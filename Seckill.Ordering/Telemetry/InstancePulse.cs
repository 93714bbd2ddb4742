using System.Text.Json;
using System.Text.Json.Serialization;

namespace Seckill.Ordering.Telemetry;

/// <summary>
/// State that an instance publishes on <see cref="Channel"/> about once a second. Counters run from the start of the instance: subscribers
/// compute differences, and a different <paramref name="StartedMs"/> means a restart. Redis may drop a pulse; the next one repeats
/// everything.
/// </summary>
/// <param name="Instance">Role, host and process, such as <c>api-host-1234</c>.</param>
/// <param name="Role"><see cref="Api"/> or <see cref="Worker"/>.</param>
/// <param name="AtMs">Time of this count, ms since 1970 UTC.</param>
/// <param name="StartedMs">Start of the instance, ms since 1970 UTC.</param>
/// <param name="Requests">Api: clicks answered by the gate. Worker: orders brought to a committed verdict, repeats included.</param>
/// <param name="Accepted">Api: clicks that reserved stock; a repeated click gets its existing order and counts only under
/// <paramref name="Requests"/>.</param>
/// <param name="Refused">Api: clicks refused (sold out, limit, not started, ended, paused, unknown).</param>
/// <param name="Errors">Api: clicks answered with 503. Worker: messages dead-lettered.</param>
/// <param name="Confirmed">Api: orders confirmed by the broker; orders published again by the sweeper count again.</param>
/// <param name="Committed">Worker: orders written to MySQL.</param>
/// <param name="Rejected">Worker: orders refused by MySQL's data.</param>
/// <param name="ClickToCommit">Worker: histogram of committed orders by the time from reservation to commit. One count for each bound of
/// <see cref="LatencyUpperMs"/>, above the previous bound and up to this one, and a last count for longer times.</param>
/// <param name="QueueReady">Worker: messages waiting in the queue; null when the broker did not answer.</param>
/// <param name="WorkingSetBytes">Memory of the process.</param>
/// <param name="Health"><c>Healthy</c>, <c>Degraded</c> or <c>Unhealthy</c>, as reported by <c>/health</c>.</param>
/// <param name="Complaints">The unhealthy checks and their reasons, such as <c>OrderingDbContext: Unable to connect</c>.</param>
public sealed record InstancePulse(
    string Instance, string Role, long AtMs, long StartedMs, long Requests, long Accepted, long Refused, long Errors, long Confirmed,
    long Committed, long Rejected, IReadOnlyList<long> ClickToCommit, long? QueueReady, long WorkingSetBytes, string Health,
    IReadOnlyList<string> Complaints)
{
    /// <summary>The Redis channel; each message is one JSON text.</summary>
    public const string Channel = "seckill:pulse";

    public const string Api = "api";
    public const string Worker = "worker";

    private const int LongestMs = 600_000;
    private const double Growth = 1.25;

    private static readonly int[] Bounds = [.. MakeBounds()];

    /// <summary>
    /// Inclusive upper bounds of <see cref="ClickToCommit"/>, ms; they grow by a quarter from 1 ms to ten minutes.
    /// </summary>
    public static IReadOnlyList<int> LatencyUpperMs => Bounds;

    /// <summary>The bucket of <see cref="ClickToCommit"/> for a latency.</summary>
    public static int BucketOf(double milliseconds)
    {
        var at = Array.BinarySearch(Bounds, (int)Math.Ceiling(Math.Clamp(milliseconds, 0, LongestMs + 1)));
        return at >= 0 ? at : ~at;
    }

    public string ToJson() => JsonSerializer.Serialize(this, InstancePulseJson.Default.InstancePulse);

    /// <summary>Null when the text is not a pulse: any client may publish on the channel.</summary>
    public static InstancePulse? TryParse(string json)
    {
        try
        {
            var pulse = JsonSerializer.Deserialize(json, InstancePulseJson.Default.InstancePulse);
            return pulse?.ClickToCommit.Count == Bounds.Length + 1 ? pulse : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static IEnumerable<int> MakeBounds()
    {
        var last = 0;
        for (var bound = 1.0; bound < LongestMs; bound *= Growth)
        {
            // The first steps are smaller than a millisecond.
            if ((int)Math.Ceiling(bound) is var whole && whole > last)
            {
                yield return last = whole;
            }
        }

        yield return LongestMs;
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(InstancePulse))]
internal sealed partial class InstancePulseJson : JsonSerializerContext;
