using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Ordering.Holding;

/// <summary>What all workers together hold unacked, according to themselves.</summary>
/// <param name="Workers">Workers that have said it lately.</param>
/// <param name="OldestAge">Nothing that they hold was picked up longer ago.</param>
public sealed record Holdings(int Workers, TimeSpan OldestAge);

/// <summary>
/// The workers' word on what they hold, which no broker tells over AMQP: a hash with an entry for each, renewed every
/// <see cref="ReportEveryMs"/>. Throws what StackExchange.Redis throws.
/// </summary>
public sealed class HeldMessages(IConnectionMultiplexer redis)
{
    public const int ReportEveryMs = 1_000;

    /// <summary>The age of a message that has been delivered before: it is not known how long it has been under way.</summary>
    public static readonly TimeSpan UnknownAge = TimeSpan.FromDays(365);

    private const string Key = "seckill:workers:held";

    /// <summary>A worker that has said nothing for so long is taken to be gone, ms.</summary>
    private const int SilentMsMax = 10_000;

    private static readonly string NoteScript = LedgerScripts.Text("note-held.lua");
    private static readonly string ReadScript = LedgerScripts.Text("read-held.lua");

    private readonly IDatabase _database = redis.GetDatabase();

    /// <summary>Says how long ago the oldest message was picked up that the worker holds; zero when it holds none.</summary>
    public Task ReportAsync(string worker, TimeSpan oldestAge, CancellationToken cancellationToken) =>
        _database.ScriptEvaluateAsync(NoteScript, [Key], [worker, (long)oldestAge.TotalMilliseconds, SilentMsMax])
            .WaitAsync(cancellationToken);

    public async Task<Holdings> ReadAsync(CancellationToken cancellationToken)
    {
        var reply = (long[])(await _database.ScriptEvaluateAsync(ReadScript, [Key], [SilentMsMax]).WaitAsync(cancellationToken))!;
        return new Holdings(reply.Length, TimeSpan.FromMilliseconds(reply.DefaultIfEmpty(0).Max()));
    }
}
