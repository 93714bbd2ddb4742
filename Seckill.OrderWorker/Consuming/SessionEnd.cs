namespace Seckill.OrderWorker.Consuming;

/// <summary>Why a session accepted no more messages; the first reason counts.</summary>
internal enum SessionEndKind
{
    /// <summary>The network or the broker went away, or the worker is stopping: the messages are not at fault.</summary>
    Lost,

    /// <summary>The client could not read a message and dropped the connection.</summary>
    Unreadable,

    /// <summary>The unacked bodies exceed the bytes that the worker may hold.</summary>
    TooManyBytes,

    /// <summary>A delivery could not be accepted in order.</summary>
    Failed,

    /// <summary>The time limit of a careful session has passed.</summary>
    TimeUp,
}

/// <param name="Kind">The kind.</param>
/// <param name="Reason">For the log.</param>
internal sealed record SessionEnd(SessionEndKind Kind, string Reason);
