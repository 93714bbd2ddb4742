namespace Seckill.Console.Pulse;

/// <summary>All instances together in one second.</summary>
/// <param name="Second">Since 1970 UTC.</param>
/// <param name="Requests">Order requests.</param>
/// <param name="Accepted">Answered "queued".</param>
/// <param name="Refused">Refused clicks.</param>
/// <param name="Errors">Clicks answered with a server error.</param>
/// <param name="Committed">Orders written to MySQL.</param>
/// <param name="Rejected">Orders that the worker refused.</param>
/// <param name="Waiting">Accepted but neither written nor refused yet, by the counters.</param>
/// <param name="QueueReady">Messages ready in the order queue, each of one order or many; null when no worker reports it.</param>
/// <param name="P50Ms">Click to commit over the last seconds; null when nothing was written.</param>
/// <param name="P99Ms">The same.</param>
public readonly record struct LiveSecond(
    long Second, double Requests, double Accepted, double Refused, double Errors, double Committed, double Rejected, double Waiting,
    long? QueueReady, double? P50Ms, double? P99Ms);

/// <summary>The last report of an instance.</summary>
/// <param name="Instance">Its name.</param>
/// <param name="Role">api or worker.</param>
/// <param name="SilentMs">Time since its last report.</param>
/// <param name="StartedMs">When it started, ms since 1970 UTC.</param>
/// <param name="RatePerSecond">Requests of an api, orders of a worker, in the last second.</param>
/// <param name="WorkingSetBytes">Memory.</param>
/// <param name="Health">Healthy, Degraded or Unhealthy.</param>
/// <param name="Complaints">Reasons why it is not healthy.</param>
public sealed record LiveInstance(
    string Instance, string Role, long SilentMs, long StartedMs, double RatePerSecond, long WorkingSetBytes, string Health,
    IReadOnlyList<string> Complaints)
{
    private const int GoneAfterMs = 5_000;

    public bool Gone => SilentMs > GoneAfterMs;
}

/// <summary>The picture shown to all watchers at one moment.</summary>
/// <param name="Seconds">Oldest first, the last one complete.</param>
/// <param name="P50Ms">Click to commit over the last minute; null when nothing was written.</param>
/// <param name="P99Ms">The same.</param>
/// <param name="Instances">By role and name.</param>
public sealed record LivePicture(IReadOnlyList<LiveSecond> Seconds, double? P50Ms, double? P99Ms, IReadOnlyList<LiveInstance> Instances)
{
    public static readonly LivePicture Empty = new([], null, null, []);

    /// <summary>The last complete second.</summary>
    public LiveSecond Now => Seconds.Count > 0 ? Seconds[^1] : default;
}
