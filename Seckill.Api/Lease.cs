using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api;

/// <summary>
/// Lets a single instance do a job, by means of a key in Redis that it renews. A lease is not a lock: when an instance stalls, two may hold
/// it for a moment, so doing the job twice must be harmless.
/// </summary>
/// <param name="redis">The Redis connection that stores the key.</param>
/// <param name="key">The key, one for each job.</param>
/// <param name="durationMs">How long an instance holds it without renewing, ms.</param>
internal sealed class Lease(IConnectionMultiplexer redis, string key, int durationMs)
{
    /// <summary>
    /// Renews the key, or takes it if nobody has it. Every holder sets an expiry, so a key without one, of whatever type, is nobody's: a
    /// restore or a foreign hand has left it, and it would keep all instances out for ever. Renewing only moves the expiry, which a Redis
    /// without memory still does: a SET would cost the holder its lease just then. Returns 1 or 0.
    /// </summary>
    private const string Script =
        """
        if redis.call('PTTL', KEYS[1]) >= 0 then
          if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
          redis.call('PEXPIRE', KEYS[1], ARGV[2])
          return 1
        end
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        return 1
        """;

    /// <summary>How long an instance that gives the lease up waits for Redis, ms.</summary>
    private const int ReleaseTimeoutMs = 1_000;

    private readonly RedisValue _me = Guid.NewGuid().ToString("N");
    private bool _held;

    /// <summary>Renews the lease or takes it; false while another instance has it.</summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    public async Task<bool> HoldAsync(CancellationToken cancellationToken)
    {
        // Assume success until the response says otherwise: a request that was sent counts, even when its caller has stopped waiting.
        _held = true;
        return _held = await TryTakeAsync(redis.GetDatabase(), key, _me, durationMs, cancellationToken);
    }

    /// <summary>Takes or renews a key for this holder; false while another one has it.</summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    public static async Task<bool> TryTakeAsync(
        IDatabase database, RedisKey key, RedisValue holder, int durationMs, CancellationToken cancellationToken) =>
        (long)await database.ScriptEvaluateAsync(Script, [key], [holder, durationMs]).ReplyAsync(cancellationToken) == 1;

    /// <summary>
    /// Releases the lease, if this instance has it: after a clean shutdown, or a failure of its own, another instance need not wait until
    /// the lease expires.
    /// </summary>
    /// <exception cref="RedisException">Redis does not answer; the lease expires by itself.</exception>
    /// <exception cref="TimeoutException">The same.</exception>
    public async Task ReleaseAsync()
    {
        if (_held)
        {
            await redis.GetDatabase().LockReleaseAsync(key, _me)
                .ReplyAsync(TimeSpan.FromMilliseconds(ReleaseTimeoutMs), CancellationToken.None);
            _held = false;
        }
    }
}
