using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Store;

namespace Seckill.Api.Audit;

/// <summary>
/// The audit log of operators' actions and reads, in MySQL. Write-ahead: an entry is committed on its own before its action begins or its
/// response is sent. So an interrupted action is in the log, and an action that cannot be logged does not happen. The outcome is a second
/// row, so the application's account needs the right to insert but not to update.
/// </summary>
public sealed partial class AuditLog(IServiceScopeFactory scopes, TimeProvider time, ILogger<AuditLog> logger)
{
    /// <summary>Marks the place where a text was truncated.</summary>
    internal const char CutMark = '…';

    /// <summary>Time limit for writing an outcome, ms: the response waits for it.</summary>
    private const int OutcomeTimeoutMs = 5_000;

    /// <summary>Commits one entry. Await it before acting.</summary>
    /// <param name="call">The operator's call.</param>
    /// <param name="action">Stable name such as <c>dead-letter.replay</c>, up to 64 characters.</param>
    /// <param name="target">The object of the action: SKU, order or dead-letter id; truncated at 128 characters.</param>
    /// <param name="detail">JSON or text with the details; truncated at 4,000 characters.</param>
    /// <param name="cancellationToken">Ends the wait for MySQL.</param>
    /// <exception cref="DbUpdateException">MySQL refused the entry, or could not be reached: do not act.</exception>
    /// <exception cref="MySqlConnector.MySqlException">MySQL could not be reached: do not act.</exception>
    public async Task WriteAsync(OperatorCall call, string action, string target, string detail, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(action.Length, OpsAuditEntry.ActionLengthMax);
        var entry = new OpsAuditEntry
        {
            At = time.GetUtcNow().UtcDateTime,
            Operator = call.Operator,
            Scheme = call.Scheme,
            Address = call.Address,
            Action = action,
            Target = Cut(target, OpsAuditEntry.TargetLengthMax),
            Detail = Cut(detail, OpsAuditEntry.DetailLengthMax),
            TraceId = call.TraceId,
        };
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        context.OpsAudit.Add(entry);
        await context.SaveChangesAsync(cancellationToken);
        call.Add(entry.Id);
    }

    /// <summary>
    /// Writes the outcome of each entry: its own, or else the call's. If MySQL does not accept them, the response is sent anyway: an entry
    /// without an outcome still shows that a call was started.
    /// </summary>
    internal async Task ConcludeAsync(OperatorCall call, int status, string reason)
    {
        using var deadline = new CancellationTokenSource(OutcomeTimeoutMs);
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
            context.OpsAuditOutcomes.AddRange(call.Entries.Select(act => new OpsAuditOutcome
            {
                EntryId = act.EntryId,
                At = time.GetUtcNow().UtcDateTime,
                Status = act.Status ?? status,
                Reason = Cut(act.Status is null ? reason : act.Reason, OpsAuditOutcome.ReasonLengthMax),
            }));
            await context.SaveChangesAsync(deadline.Token);
        }
        catch (Exception exception)
        {
            LogNotConcluded(call.Entries.Count, status, exception.GetBaseException().Message);
        }
    }

    /// <summary>Commits refused calls, each with its outcome.</summary>
    internal async Task WriteRefusalsAsync(IEnumerable<OpsAuditEntry> refusals, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        context.OpsAudit.AddRange(refusals);
        await context.SaveChangesAsync(cancellationToken);
    }

    /// <summary>The newest entries, newest first, with their outcomes.</summary>
    /// <exception cref="MySqlConnector.MySqlException">MySQL could not be reached.</exception>
    public async Task<IReadOnlyList<OpsAuditEntry>> ReadAsync(int countMax, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        return await context.OpsAudit.AsNoTracking().Include(entry => entry.Outcome)
            .OrderByDescending(entry => entry.Id).Take(countMax).ToListAsync(cancellationToken);
    }

    /// <summary>Truncates with a mark, between characters and never inside a surrogate pair, which MySQL would refuse.</summary>
    internal static string Cut(string? text, int lengthMax)
    {
        if (text is null || text.Length <= lengthMax)
        {
            return text ?? "";
        }

        var kept = lengthMax - 1;
        return text[..(char.IsHighSurrogate(text[kept - 1]) ? kept - 1 : kept)] + CutMark;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The outcome {Status} of {Count} audit entries was not written: {Reason}")]
    private partial void LogNotConcluded(int count, int status, string reason);
}
