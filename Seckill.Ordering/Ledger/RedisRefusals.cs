using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>
/// Classifies Redis errors. Stored data is blamed only for errors known to come from it. Anything else (no memory, loading, a moving slot,
/// no master, an unknown error) is a temporary state of the server.
/// </summary>
public static class RedisRefusals
{
    /// <summary>
    /// The position in the message depends on the version: Redis 7 puts the script location after the command's error, earlier versions
    /// before it.
    /// </summary>
    private static readonly string[] AboutStoredData =
    [
        "WRONGTYPE Operation against a key",
        "value is not an integer",
        "value is not a valid float",
        "value is not a float",
        "increment or decrement would overflow",

        // Lua's own errors: a number or a record was expected, and something else or nothing was stored.
        ": attempt to ",
        ": bad argument #",
    ];

    /// <summary>Whether retrying is useless until the data under the SKU's keys has been repaired.</summary>
    public static bool IsAboutStoredData(Exception exception) => exception switch
    {
        UnreadableKeysException or FormatException or InvalidCastException or OverflowException => true,
        RedisServerException => Array.Exists(AboutStoredData, text => exception.Message.Contains(text, StringComparison.Ordinal)),
        _ => false,
    };
}
