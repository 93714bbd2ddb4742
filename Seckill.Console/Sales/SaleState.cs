using Seckill.Console.Ops;

namespace Seckill.Console.Sales;

/// <summary>The state of a sale by the Api's clock.</summary>
internal static class SaleState
{
    public const string Paused = "paused";
    public const string NotStarted = "not started";
    public const string Ended = "ended";
    public const string NotLoaded = "not loaded";
    public const string Running = "on sale";

    public static string Of(OperatorSale sale, long nowMs) =>
        nowMs >= sale.EndsAtMs ? Ended
        : sale.Paused ? Paused
        : nowMs < sale.StartsAtMs ? NotStarted
        : sale.RedisStock is null ? NotLoaded
        : Running;
}
