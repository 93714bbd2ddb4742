using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>
/// A script, called by its hash. The client can do that itself, but it looks up the hash by the whole text for each call, and hashing that
/// string costs as much as the rest of a call for a single order.
/// </summary>
internal sealed class LedgerScript(string text)
{
    [System.Diagnostics.CodeAnalysis.SuppressMessage(
        "Security", "CA5350", Justification = "Redis identifies scripts by SHA-1; it protects nothing.")]
    private readonly byte[] _hash = SHA1.HashData(Encoding.UTF8.GetBytes(text));

    public string Text => text;

    /// <summary>
    /// Runs the script. If the server does not know it (first call, restart, SCRIPT FLUSH, another node), the client loads it first.
    /// </summary>
    public async Task<RedisResult> EvaluateAsync(IDatabase database, RedisKey[] keys, RedisValue[] arguments)
    {
        try
        {
            return await database.ScriptEvaluateAsync(_hash, keys, arguments);
        }
        catch (RedisServerException exception) when (IsUnknown(exception))
        {
            return await database.ScriptEvaluateAsync(text, keys, arguments);
        }
    }

    /// <summary>
    /// Runs the script for each call. The calls are written back to back, so that client, kernel and server handle whole packets instead of
    /// waking each other for each call. Returns when all calls have ended; every returned task is complete.
    /// </summary>
    public async Task<Task<RedisResult>[]> EvaluateAllAsync(
        IDatabase database, IReadOnlyList<(RedisKey[] Keys, RedisValue[] Arguments)> calls)
    {
        var replies = new Task<RedisResult>[calls.Count];
        for (var i = 0; i < replies.Length; i++)
        {
            try
            {
                replies[i] = database.ScriptEvaluateAsync(_hash, calls[i].Keys, calls[i].Arguments);
            }
            catch (Exception exception)
            {
                // The earlier calls have been sent already.
                replies[i] = Task.FromException<RedisResult>(exception);
            }
        }

        await ((Task)Task.WhenAll(replies)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        for (var i = 0; i < replies.Length; i++)
        {
            if (IsUnknown(replies[i].Exception?.InnerException))
            {
                replies[i] = EvaluateAsync(database, calls[i].Keys, calls[i].Arguments);
                await ((Task)replies[i]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        return replies;
    }

    private static bool IsUnknown(Exception? exception) =>
        exception is RedisServerException && exception.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal);
}
