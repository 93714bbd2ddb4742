using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace Seckill.Ordering.Ledger;

/// <summary>
/// A script, called by its hash. The client can do that by itself, but looks the hash up by the whole text for each call, and hashing that string
/// alone took 3 (reserve.lua) to 5 µs (settle.lua), for what may be a single order.
/// </summary>
internal sealed class LedgerScript(string text)
{
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Security", "CA5350", Justification = "Redis names scripts by SHA-1; nothing is kept safe by it.")]
    private readonly byte[] _hash = SHA1.HashData(Encoding.UTF8.GetBytes(text));

    public string Text => text;

    /// <summary>Runs it; where the server does not know it (first call, restart, SCRIPT FLUSH, another node), the client loads it on the way.</summary>
    public async Task<RedisResult> EvaluateAsync(IDatabase database, RedisKey[] keys, RedisValue[] arguments)
    {
        try
        {
            return await database.ScriptEvaluateAsync(_hash, keys, arguments);
        }
        catch (RedisServerException exception) when (exception.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
        {
            return await database.ScriptEvaluateAsync(text, keys, arguments);
        }
    }
}
