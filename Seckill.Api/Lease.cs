using StackExchange.Redis;

namespace Seckill.Api;

/// <summary>
/// Makes one of all instances do a job, by a key in Redis that it renews. A lease is no lock: an instance that stalls may find itself one
/// of two for a moment, so the job must be harmless when it is done twice.
/// </summary>
/// <param name="redis">Where the key is.</param>
/// <param name="key">The job's name.</param>
/// <param name="durationMs">How long an instance holds it without renewing, ms.</param>
internal sealed class Lease(IConnectionMultiplexer redis, string key, int durationMs)
{
    /// <summary>How long a stopping instance waits for Redis, ms.</summary>
    private const int ReleaseTimeoutMs = 1_000;

    private readonly RedisValue _me = Guid.NewGuid().ToString("N");
    private bool _held;

    /// <summary>Renews the lease or takes it; false while another instance has it.</summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    public async Task<bool> HoldAsync(CancellationToken cancellationToken)
    {
        var database = redis.GetDatabase();
        var duration = TimeSpan.FromMilliseconds(durationMs);
        // Until the answer says otherwise: a request that was sent counts, even when its caller has stopped waiting.
        _held = true;
        return _held = await database.LockExtendAsync(key, _me, duration).WaitAsync(cancellationToken)
            || await database.LockTakeAsync(key, _me, duration).WaitAsync(cancellationToken);
    }

    /// <summary>
    /// Gives the lease up, if this instance has it: for one that stops in good order, since nobody else does the job until a lease runs
    /// out.
    /// </summary>
    /// <exception cref="RedisException">Redis does not answer; the lease runs out by itself.</exception>
    /// <exception cref="TimeoutException">The same.</exception>
    public async Task ReleaseAsync()
    {
        if (_held)
        {
            await redis.GetDatabase().LockReleaseAsync(key, _me).WaitAsync(TimeSpan.FromMilliseconds(ReleaseTimeoutMs));
            _held = false;
        }
    }
}
