namespace Seckill.OrderWorker.Consuming;

/// <summary>Settings of the next session.</summary>
/// <param name="PrefetchCount">Most unacked messages.</param>
/// <param name="HeldBytesMax">Most bytes of unacked bodies.</param>
/// <param name="LengthMsMax">Time limit, after which the next session can use the usual prefetch; null for none.</param>
/// <param name="Condemned">The message that ends sessions; null for none.</param>
internal sealed record SessionPlan(ushort PrefetchCount, long HeldBytesMax, int? LengthMsMax, Suspect? Condemned);
