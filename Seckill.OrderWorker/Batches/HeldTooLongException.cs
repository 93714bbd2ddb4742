namespace Seckill.OrderWorker.Batches;

/// <summary>An outage outlasts what messages may be held: they go back to the queue before the broker takes them back.</summary>
internal sealed class HeldTooLongException(string message, Exception innerException) : Exception(message, innerException);
