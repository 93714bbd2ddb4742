using Microsoft.AspNetCore.OutputCaching;

namespace Seckill.ServiceDefaults.HealthChecks;

/// <summary>
/// One second of memory for the probes: however many arrive, the servers behind are asked at most once a second, and
/// concurrent probes wait for one answer. The built-in policy stores only 200; a flood of probes hurts most while the
/// answer is 503, so this one stores every answer, and no query string or host name makes a new entry.
/// </summary>
internal sealed class HealthOutputCachePolicy : IOutputCachePolicy
{
    public static readonly HealthOutputCachePolicy Instance = new();

    private const int ExpirationMs = 1_000;

    public ValueTask CacheRequestAsync(OutputCacheContext context, CancellationToken cancellation)
    {
        context.EnableOutputCaching = true;
        context.AllowCacheLookup = true;
        context.AllowCacheStorage = true;
        context.AllowLocking = true;
        context.ResponseExpirationTimeSpan = TimeSpan.FromMilliseconds(ExpirationMs);
        context.CacheVaryByRules.QueryKeys = "";
        context.CacheVaryByRules.VaryByHost = false;
        return ValueTask.CompletedTask;
    }

    public ValueTask ServeFromCacheAsync(OutputCacheContext context, CancellationToken cancellation) => ValueTask.CompletedTask;

    public ValueTask ServeResponseAsync(OutputCacheContext context, CancellationToken cancellation) => ValueTask.CompletedTask;
}
