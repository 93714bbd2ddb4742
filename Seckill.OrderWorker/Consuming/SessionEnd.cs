namespace Seckill.OrderWorker.Consuming;

/// <summary>Why a session took no more messages; the first reason counts.</summary>
internal enum SessionEndKind
{
    /// <summary>The network or the broker went away, or the worker stops: nothing is wrong with the messages.</summary>
    Lost,

    /// <summary>The client could not read a message and dropped the connection.</summary>
    Unreadable,

    /// <summary>The bodies at hand have more bytes than the worker may hold.</summary>
    TooManyBytes,

    /// <summary>A delivery was not taken over in its turn.</summary>
    Failed,

    /// <summary>The time of a careful session is up.</summary>
    TimeUp,
}

/// <param name="Kind">The kind.</param>
/// <param name="Reason">For the log.</param>
internal sealed record SessionEnd(SessionEndKind Kind, string Reason);
