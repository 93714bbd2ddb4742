namespace Seckill.OrderWorker.Batches;

/// <summary>
/// An outage lasts longer than messages may be held. They go back to the queue before the broker's time-out takes them back.
/// </summary>
internal sealed class HeldTooLongException(string message, Exception innerException) : Exception(message, innerException);
