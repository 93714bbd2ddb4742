using System.Net;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using StackExchange.Redis;

namespace Seckill.ServiceDefaults.HealthChecks;

/// <summary>
/// Writes a key to every master: a server that answers PING may still refuse each script, because it is out of memory or has become a
/// replica. Unhealthy if no master accepts it, degraded if some of several do not; replicas are ignored. The check that comes with Aspire's
/// client fails if any configured node is down.
/// </summary>
internal sealed class RedisHealthCheck(IConnectionMultiplexer redis) : IHealthCheck
{
    public const string Name = "StackExchange.Redis";

    /// <summary>Written keys expire after this, ms.</summary>
    private const int KeyExpiresAfterMs = 60_000;

    /// <summary>Names tried until each master of a cluster has a key in one of its slots.</summary>
    private const int KeysTriedMax = 10_000;

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var writes = KeysOfMasters().Select(async master => (master.Name, Error: await WriteAsync(master.Key, cancellationToken)));
        var results = await Task.WhenAll(writes);
        var failed = results.Where(result => result.Error is not null).ToList();
        if (failed.Count == 0)
        {
            return HealthCheckResult.Healthy();
        }

        var reason = string.Join("; ", failed.Select(result => $"{result.Name}: {result.Error!.Message}"));
        return failed.Count == results.Length
            ? new HealthCheckResult(context.Registration.FailureStatus, reason, failed[0].Error)
            : HealthCheckResult.Degraded($"{failed.Count} of {results.Length} masters unavailable: {reason}", failed[0].Error);
    }

    private async Task<Exception?> WriteAsync(RedisKey key, CancellationToken cancellationToken)
    {
        try
        {
            await redis.GetDatabase().StringSetAsync(key, 1, TimeSpan.FromMilliseconds(KeyExpiresAfterMs)).WaitAsync(cancellationToken);
            return null;
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException or OperationCanceledException)
        {
            return exception;
        }
    }

    /// <summary>A key for each master of a cluster, according to the cluster itself; without a cluster any key.</summary>
    private IEnumerable<(string Name, RedisKey Key)> KeysOfMasters()
    {
        var nodes = redis.GetServers().Where(server => server.IsConnected).Select(server => server.ClusterConfiguration)
            .FirstOrDefault(found => found is not null);
        if (nodes is null)
        {
            return [("redis", "seckill:health")];
        }

        var masters = nodes.Nodes.Where(node => !node.IsReplica && node.Slots.Count > 0).ToList();
        var keys = new Dictionary<EndPoint, RedisKey>();
        for (var i = 0; i < KeysTriedMax && keys.Count < masters.Count; i++)
        {
            RedisKey key = $"seckill:health:{i}";
            if (nodes.GetBySlot(key)?.EndPoint is { } owner)
            {
                keys.TryAdd(owner, key);
            }
        }

        return keys.Select(key => (key.Key.ToString()!, key.Value));
    }
}
