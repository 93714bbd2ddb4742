using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Ordering.Holding;

/// <summary>The messages that all workers together hold unacked, by their own reports.</summary>
/// <param name="Workers">Workers with a recent report.</param>
/// <param name="OldestAge">The age of the oldest message that they hold.</param>
public sealed record Holdings(int Workers, TimeSpan OldestAge);

/// <summary>
/// The workers' reports on the messages that they hold, which AMQP does not show: a hash with an entry for each worker, renewed every
/// <see cref="ReportEveryMs"/>. Throws the exceptions of StackExchange.Redis.
/// </summary>
public sealed class HeldMessages(IConnectionMultiplexer redis)
{
    public const int ReportEveryMs = 1_000;

    /// <summary>The age of a redelivered message: its real age is unknown.</summary>
    public static readonly TimeSpan UnknownAge = TimeSpan.FromDays(365);

    private const string Key = "seckill:workers:held";

    /// <summary>A worker that has not reported for this long is considered gone, ms.</summary>
    private const int SilentMsMax = 10_000;

    private static readonly string NoteScript = LedgerScripts.Text("note-held.lua");
    private static readonly string ReadScript = LedgerScripts.Text("read-held.lua");

    private readonly IDatabase _database = redis.GetDatabase();

    /// <summary>Reports the age of the oldest message that the worker holds; zero when it holds none.</summary>
    public Task ReportAsync(string worker, TimeSpan oldestAge, CancellationToken cancellationToken) =>
        _database.ScriptEvaluateAsync(NoteScript, [Key], [worker, (long)oldestAge.TotalMilliseconds, SilentMsMax])
            .ReplyAsync(cancellationToken);

    public async Task<Holdings> ReadAsync(CancellationToken cancellationToken)
    {
        var reply = (long[])(await _database.ScriptEvaluateAsync(ReadScript, [Key], [SilentMsMax]).ReplyAsync(cancellationToken))!;
        return new Holdings(reply.Length, TimeSpan.FromMilliseconds(reply.DefaultIfEmpty(0).Max()));
    }
}
