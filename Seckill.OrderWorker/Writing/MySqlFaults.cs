using MySqlConnector;

namespace Seckill.OrderWorker.Writing;

/// <summary>What a failed transaction means for its orders.</summary>
internal enum FaultKind
{
    /// <summary>The server, the network or its configuration: hold the orders and try again, for good.</summary>
    Outage,

    /// <summary>Another worker has written one of the orders meanwhile: look again and decide anew.</summary>
    Collision,

    /// <summary>
    /// MySQL ended this transaction so that another one could go on, as when both write the same orders: nothing is wrong, try again.
    /// </summary>
    Deadlock,

    /// <summary>Somebody keeps a row locked that one of the orders needs.</summary>
    Locked,

    /// <summary>One of the orders cannot stand in the tables.</summary>
    Data,
}

/// <summary>
/// Tells them apart. Only what is known to be about the data counts as such: taking an outage for bad data would dead-letter good orders,
/// while the opposite mistake shows in the health check and loses nothing.
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

    /// <summary>SQLSTATE 22 (data exception), 23 (integrity constraint), and those that MySQL reports under a general state.</summary>
    private static bool IsData(MySqlException exception) =>
        exception.SqlState?.StartsWith("22", StringComparison.Ordinal) == true
        || exception.SqlState?.StartsWith("23", StringComparison.Ordinal) == true
        || exception.ErrorCode
            is MySqlErrorCode.TruncatedWrongValueForField
            or CheckConstraintViolated
            or MySqlErrorCode.PacketTooLarge;
}
