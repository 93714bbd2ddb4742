namespace Seckill.Bench.Demo;

/// <summary>Settings of the demonstration.</summary>
/// <param name="Buyers">Distinct buyers, one click each.</param>
/// <param name="Units">Units in the fresh sale.</param>
/// <param name="SkuId">An existing SKU to sell, or null for a fresh sale.</param>
/// <param name="Concurrency">Requests in flight, and connections.</param>
/// <param name="SigningKey">Key of the gate's tokens.</param>
public sealed record DemoOptions(int Buyers, int Units, long? SkuId, int Concurrency, string SigningKey);
