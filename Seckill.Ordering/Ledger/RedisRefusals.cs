using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>
/// Why Redis has not done what it was asked to. What is stored is to blame only where the error is known to come from it; anything else
/// (no memory, loading, a slot that moves, no master, an error that nobody has met yet) is the server's state, which passes.
/// </summary>
public static class RedisRefusals
{
    /// <summary>
    /// Where in the text they stand depends on the version: Redis 7 puts the place in the script behind what a command says, earlier ones
    /// before it.
    /// </summary>
    private static readonly string[] AboutStoredData =
    [
        "WRONGTYPE Operation against a key",
        "value is not an integer",
        "value is not a valid float",
        "value is not a float",
        "increment or decrement would overflow",

        // Lua's own: a number or a record was expected, and nothing or something else was there.
        ": attempt to ",
        ": bad argument #",
    ];

    /// <summary>Whether trying again is in vain until somebody mends what stands under the SKU's keys.</summary>
    public static bool IsAboutStoredData(Exception exception) => exception switch
    {
        UnreadableKeysException or FormatException or InvalidCastException or OverflowException => true,
        RedisServerException => Array.Exists(AboutStoredData, text => exception.Message.Contains(text, StringComparison.Ordinal)),
        _ => false,
    };
}
