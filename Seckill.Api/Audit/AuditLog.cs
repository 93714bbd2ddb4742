using System.Diagnostics;
using System.Security.Claims;
using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Store;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Audit;

/// <summary>
/// What operators did, in MySQL. Write-ahead: an entry is committed on its own before its action begins, so an action that is cut off
/// half-way stands in the log, and one that the log cannot take does not happen.
/// </summary>
public sealed class AuditLog(IServiceScopeFactory scopes, TimeProvider time)
{
    /// <summary>The operator's name when a machine came with the header <c>X-Ops-Key</c>.</summary>
    public const string MachineOperator = "ops-key";

    private const int ActionLengthMax = 64;
    private const int TargetLengthMax = 128;
    private const int DetailLengthMax = 4_000;

    /// <summary>Commits one entry. Call it, await it, then act.</summary>
    /// <param name="user">Who acts: the request's user.</param>
    /// <param name="action">Stable name such as <c>dead-letter.replay</c>, up to 64 characters.</param>
    /// <param name="target">What it is done to: SKU, order or dead-letter id; cut at 128 characters.</param>
    /// <param name="detail">JSON or text: what exactly; cut at 4,000 characters.</param>
    /// <param name="cancellationToken">Ends the wait for MySQL.</param>
    /// <exception cref="DbUpdateException">MySQL refused the entry, or could not be reached: do not act.</exception>
    /// <exception cref="MySqlConnector.MySqlException">MySQL could not be reached: do not act.</exception>
    public async Task WriteAsync(ClaimsPrincipal user, string action, string target, string detail, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(action.Length, ActionLengthMax);
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        context.OpsAudit.Add(new OpsAuditEntry
        {
            At = time.GetUtcNow().UtcDateTime,
            Operator = user.FindFirst(LoginOptions.SubjectClaim)?.Value ?? MachineOperator,
            Action = action,
            Target = Cut(target, TargetLengthMax),
            Detail = Cut(detail, DetailLengthMax),
            TraceId = Activity.Current?.TraceId.ToHexString() ?? "",
        });
        await context.SaveChangesAsync(cancellationToken);
    }

    /// <summary>The newest entries, newest first.</summary>
    /// <exception cref="MySqlConnector.MySqlException">MySQL could not be reached.</exception>
    public async Task<IReadOnlyList<OpsAuditEntry>> ReadAsync(int countMax, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        return await context.OpsAudit.AsNoTracking().OrderByDescending(entry => entry.Id).Take(countMax).ToListAsync(cancellationToken);
    }

    /// <summary>Cuts between characters, never inside a surrogate pair, which MySQL would refuse.</summary>
    private static string Cut(string text, int lengthMax) =>
        text.Length <= lengthMax ? text : text[..(char.IsHighSurrogate(text[lengthMax - 1]) ? lengthMax - 1 : lengthMax)];
}
