using MySqlConnector;

namespace Seckill.OrderWorker.Writing;

/// <summary>The consequence of a failed transaction for its orders.</summary>
internal enum FaultKind
{
    /// <summary>The server, the network or its configuration: hold the orders and retry without limit.</summary>
    Outage,

    /// <summary>Another worker has written one of the orders meanwhile: read again and decide again.</summary>
    Collision,

    /// <summary>
    /// MySQL ended this transaction in favour of another one, for example when both write the same orders: nothing is wrong, try again.
    /// </summary>
    Deadlock,

    /// <summary>Another client keeps a row locked that one of the orders needs.</summary>
    Locked,

    /// <summary>The tables cannot store one of the orders.</summary>
    Data,
}

/// <summary>
/// Classifies failures. Only known data errors count as data: taking an outage for bad data would dead-letter good orders, while the
/// opposite mistake shows in the health check and loses nothing.
/// </summary>
internal static class MySqlFaults
{
    public static FaultKind KindOf(Exception exception) => exception switch
    {
        MySqlException { ErrorCode: MySqlErrorCode.DuplicateKeyEntry } => FaultKind.Collision,
        MySqlException { ErrorCode: MySqlErrorCode.LockDeadlock } => FaultKind.Deadlock,
        MySqlException { ErrorCode: MySqlErrorCode.LockWaitTimeout } => FaultKind.Locked,
        MySqlException e when IsData(e) => FaultKind.Data,
        OverflowException => FaultKind.Data,
        _ => FaultKind.Outage,
    };

    /// <summary>ER_CHECK_CONSTRAINT_VIOLATED of MySQL, which the client does not name; MariaDB reports state 23 instead.</summary>
    private const MySqlErrorCode CheckConstraintViolated = (MySqlErrorCode)3819;

    /// <summary>
    /// SQLSTATE 22 (data exception), 23 (integrity constraint), and data errors that MySQL reports under a general state.
    /// </summary>
    private static bool IsData(MySqlException exception) =>
        exception.SqlState?.StartsWith("22", StringComparison.Ordinal) == true
        || exception.SqlState?.StartsWith("23", StringComparison.Ordinal) == true
        || exception.ErrorCode
            is MySqlErrorCode.TruncatedWrongValueForField
            or CheckConstraintViolated
            or MySqlErrorCode.PacketTooLarge;
}
