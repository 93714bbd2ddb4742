using Microsoft.Extensions.Diagnostics.HealthChecks;
using StackExchange.Redis;

namespace Seckill.ServiceDefaults.HealthChecks;

/// <summary>
/// Checks whether any master may evict keys when its memory is full. Unpublished orders are keys with a time to live, and
/// <c>volatile-lru</c>, which managed services often use, evicts exactly these. Degraded rather than unhealthy: nothing is lost until the
/// memory is full. A server that hides its settings is not a failure.
/// </summary>
internal sealed class RedisEvictionCheck(IConnectionMultiplexer redis) : IHealthCheck
{
    public const string Name = "eviction";

    private const string PolicyField = "maxmemory_policy:";
    private const string LimitField = "maxmemory:";
    private const string NoEviction = "noeviction";

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var answers = await Task.WhenAll(redis.GetServers().Where(server => server.IsConnected && !server.IsReplica)
            .Select(server => AskAsync(server, cancellationToken)));
        var (unknown, evicting) = (answers.Count(answer => answer.Policy is null), answers.Where(answer => answer.Evicts).ToList());
        if (evicting.Count == 0)
        {
            return HealthCheckResult.Healthy(unknown == 0 ? null : $"{unknown} servers do not report their eviction policy");
        }

        return HealthCheckResult.Degraded(string.Join("; ", evicting.Select(answer =>
            $"{answer.Server} evicts orders when its memory is full: set maxmemory-policy {NoEviction}, not {answer.Policy}")));
    }

    /// <summary>INFO, because many services refuse CONFIG.</summary>
    private static async Task<(string Server, string? Policy, bool Evicts)> AskAsync(IServer server, CancellationToken cancellationToken)
    {
        var name = server.EndPoint.ToString()!;
        try
        {
            // Sent as a raw command: the client's own method needs a connection with administrator rights.
            var memory = (string?)await server.ExecuteAsync("INFO", "memory").WaitAsync(cancellationToken) ?? "";
            var policy = ValueOf(memory, PolicyField);
            // Without a limit nothing is ever evicted.
            return (name, policy, policy is not (null or NoEviction) && ValueOf(memory, LimitField) != "0");
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException or OperationCanceledException)
        {
            // RedisHealthCheck checks whether it answers at all.
            return (name, null, false);
        }
    }

    private static string? ValueOf(string info, string field) => info.Split('\n', StringSplitOptions.TrimEntries)
        .FirstOrDefault(line => line.StartsWith(field, StringComparison.Ordinal))?[field.Length..];
}
