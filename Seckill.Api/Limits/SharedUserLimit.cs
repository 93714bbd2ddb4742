using System.Globalization;
using Microsoft.Extensions.Options;
using Seckill.Api.Auth;
using Seckill.Api.Errors;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.Limits;

/// <summary>
/// Counts one buyer's orders across all instances, in Redis by Redis's clock, with one key for each buyer. It protects the system, not the
/// stock (the gate does that). So while Redis does not answer, all requests pass to the gate, which then returns "busy".
/// </summary>
internal sealed partial class SharedUserLimit(
    IConnectionMultiplexer redis, IOptions<LimitOptions> options, TimeProvider time, ILogger<SharedUserLimit> logger)
{
    /// <summary>
    /// One script, so that a process that dies in between cannot leave a counter without an expiry. A counter that has lost it all the
    /// same, as in a restore, gets a new one: it would refuse its buyer for ever. Returns 0 or the ms to wait.
    /// </summary>
    private const string Script =
        """
        local count = redis.call('INCR', KEYS[1])
        if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
        if count <= tonumber(ARGV[2]) then return 0 end
        return math.max(1, redis.call('PTTL', KEYS[1]))
        """;

    /// <summary>Longest wait for the count, ms. Kept short, because the gate needs the rest of the buyer's time.</summary>
    private const int CountWaitMsMax = 250;

    private readonly IDatabase _database = redis.GetDatabase();
    private readonly int _countMax = options.Value.SharedUserPurchasesMax;
    private readonly int _windowMs = options.Value.SharedWindowMs;
    private readonly LogPace _failures = new(time);

    public bool Enabled => _countMax > 0;

    /// <summary>An endpoint filter: 429 with the rest of the window as Retry-After.</summary>
    public async ValueTask<object?> FilterAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        var waitMs = await CountAsync(invocation.HttpContext.User.UserId(), invocation.HttpContext.RequestAborted);
        return waitMs == 0 ? await next(invocation) : LimitRegistration.TooManyShared((int)Math.Min(int.MaxValue, (waitMs + 999) / 1_000));
    }

    private async Task<long> CountAsync(long userId, CancellationToken cancellationToken)
    {
        RedisKey key = string.Create(CultureInfo.InvariantCulture, $"limit:purchases:{{{userId}}}");
        try
        {
            return (long)await _database.ScriptEvaluateAsync(Script, [key], [_windowMs, _countMax])
                .ReplyAsync(TimeSpan.FromMilliseconds(CountWaitMsMax), cancellationToken);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            if (_failures.Take() is { } count)
            {
                LogFailed(exception.Message, count);
            }

            return 0;
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Redis did not count a buyer's orders: {Reason}; request allowed ({Count} times since the last such line)")]
    private partial void LogFailed(string reason, long count);
}
