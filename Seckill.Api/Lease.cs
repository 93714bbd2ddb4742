using StackExchange.Redis;

namespace Seckill.Api;

/// <summary>
/// Makes one of all instances do a job, by a key in Redis that it renews. A lease is no lock: an instance that stalls may find itself one of two for a moment, so the job
/// must be harmless when it is done twice.
/// </summary>
/// <param name="redis">Where the key is.</param>
/// <param name="key">The job's name.</param>
/// <param name="durationMs">How long an instance holds it without renewing, ms.</param>
internal sealed class Lease(IConnectionMultiplexer redis, string key, int durationMs)
{
    private readonly RedisValue _me = Guid.NewGuid().ToString("N");

    /// <summary>Renews the lease or takes it; false while another instance has it.</summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    public async Task<bool> HoldAsync(CancellationToken cancellationToken)
    {
        var database = redis.GetDatabase();
        var duration = TimeSpan.FromMilliseconds(durationMs);
        return await database.LockExtendAsync(key, _me, duration).WaitAsync(cancellationToken)
            || await database.LockTakeAsync(key, _me, duration).WaitAsync(cancellationToken);
    }
}
