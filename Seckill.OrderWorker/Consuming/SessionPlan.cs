namespace Seckill.OrderWorker.Consuming;

/// <summary>How the next session is to be opened.</summary>
/// <param name="PrefetchCount">Messages ahead of their acks.</param>
/// <param name="HeldBytesMax">Bytes of bodies at hand at most.</param>
/// <param name="LengthMsMax">When it ends by itself, so that the next can be opened with the usual prefetch; null for never.</param>
/// <param name="Condemned">What sessions end over; null for nothing.</param>
internal sealed record SessionPlan(ushort PrefetchCount, long HeldBytesMax, int? LengthMsMax, Suspect? Condemned);
