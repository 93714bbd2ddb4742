using System.Text.Json;
using System.Text.Json.Serialization;

namespace Seckill.Ordering.Telemetry;

/// <summary>
/// What one instance says of itself on <see cref="Channel"/> about once a second. Counters run from the start of the instance: who listens
/// takes differences, and another <paramref name="StartedMs"/> is a restart. Redis may drop a pulse; the next one says it all again.
/// </summary>
/// <param name="Instance">Role, host and process, such as <c>api-host-1234</c>.</param>
/// <param name="Role"><see cref="Api"/> or <see cref="Worker"/>.</param>
/// <param name="AtMs">When this was counted, ms since 1970 UTC.</param>
/// <param name="StartedMs">When the instance started, ms since 1970 UTC.</param>
/// <param name="Requests">Api: clicks answered by the gate. Worker: orders brought to a committed verdict, repeats included.</param>
/// <param name="Accepted">Api: clicks that reserved stock; a repeated click finds its order and is counted under
/// <paramref name="Requests"/> alone.</param>
/// <param name="Refused">Api: clicks told no (sold out, limit, not started, ended, paused, unknown).</param>
/// <param name="Errors">Api: clicks told to come again (503). Worker: messages dead-lettered.</param>
/// <param name="Confirmed">Api: orders that the broker has confirmed; what the sweeper publishes again is counted again.</param>
/// <param name="Committed">Worker: orders written to MySQL.</param>
/// <param name="Rejected">Worker: orders refused by MySQL's word.</param>
/// <param name="ClickToCommit">
/// Worker: committed orders by the time from the reservation to the commit. One count for each of <see cref="LatencyUpperMs"/>, of what is
/// above the bound before and not above this one, and a last count of what is above them all. </param>
/// <param name="QueueReady">Worker: messages waiting in the queue; null when the broker did not say.</param>
/// <param name="WorkingSetBytes">Memory of the process.</param>
/// <param name="Health"><c>Healthy</c>, <c>Degraded</c> or <c>Unhealthy</c>, as <c>/health</c> says.</param>
/// <param name="Complaints">What is not healthy and why, such as <c>OrderingDbContext: Unable to connect</c>.</param>
public sealed record InstancePulse(
    string Instance, string Role, long AtMs, long StartedMs, long Requests, long Accepted, long Refused, long Errors, long Confirmed,
    long Committed, long Rejected, IReadOnlyList<long> ClickToCommit, long? QueueReady, long WorkingSetBytes, string Health,
    IReadOnlyList<string> Complaints)
{
    /// <summary>The Redis channel; one JSON text a message.</summary>
    public const string Channel = "seckill:pulse";

    public const string Api = "api";
    public const string Worker = "worker";

    private const int LongestMs = 600_000;
    private const double Growth = 1.25;

    private static readonly int[] Bounds = [.. MakeBounds()];

    /// <summary>
    /// Upper bounds of <see cref="ClickToCommit"/>, ms, each in its bucket; they grow by a quarter from 1 ms to ten minutes.
    /// </summary>
    public static IReadOnlyList<int> LatencyUpperMs => Bounds;

    /// <summary>The bucket of <see cref="ClickToCommit"/> that a latency belongs to.</summary>
    public static int BucketOf(double milliseconds)
    {
        var at = Array.BinarySearch(Bounds, (int)Math.Ceiling(Math.Clamp(milliseconds, 0, LongestMs + 1)));
        return at >= 0 ? at : ~at;
    }

    public string ToJson() => JsonSerializer.Serialize(this, InstancePulseJson.Default.InstancePulse);

    /// <summary>Null when the text is no pulse: anybody may publish on a channel.</summary>
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
            // The first steps are less than a millisecond.
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
