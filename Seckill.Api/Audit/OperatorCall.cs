using System.Diagnostics;
using Seckill.Api.Auth;
using Seckill.Ordering.Store;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Api.Audit;

/// <summary>An audit entry, and its own outcome if it has one.</summary>
internal readonly record struct AuditedAct(long EntryId, int? Status = null, string Reason = "");

/// <summary>
/// One request to the operators' endpoints: the caller, the authentication scheme, the address, and the audit entries so far.
/// </summary>
public sealed class OperatorCall
{
    /// <summary>Operator name and scheme of a machine that sends the header <c>X-Ops-Key</c>.</summary>
    public const string Machine = "ops-key";
    public const string Bearer = "bearer";
    public const string Cookie = "cookie";
    public const string NoScheme = "none";

    private readonly List<AuditedAct> _entries = [];

    /// <summary>Subject of the identity that has the role; without the role, the token's subject; without a login, empty.</summary>
    public required string Operator { get; init; }

    public required string Scheme { get; init; }

    public required string Address { get; init; }

    public required string TraceId { get; init; }

    /// <summary>The entries written so far; those without an outcome of their own get the call's.</summary>
    internal IReadOnlyList<AuditedAct> Entries => _entries;

    /// <summary>Whether the outcome has been handled.</summary>
    internal bool Concluded { get; set; }

    internal void Add(long entryId) => _entries.Add(new AuditedAct(entryId));

    /// <summary>Gives the newest entry an outcome of its own: one call may do several acts, and not all end like the call.</summary>
    internal void ConcludeNewest(int status, string reason) => _entries[^1] = _entries[^1] with { Status = status, Reason = reason };

    /// <summary>The request's only instance; created on first use, which must be after authentication.</summary>
    public static OperatorCall Of(HttpContext http)
    {
        if (http.Features.Get<OperatorCall>() is { } known)
        {
            return known;
        }

        // Role and name come from one identity: a buyer's token beside the machines' key does not make the buyer an operator.
        var identity = http.User.OperatorIdentity() ?? http.User.Identities.FirstOrDefault(one => one.IsAuthenticated);
        var isMachine = identity?.AuthenticationType == OpsKeyAuthentication.Scheme;
        var call = new OperatorCall
        {
            Operator = isMachine
                ? Machine
                : AuditLog.Cut(identity?.FindFirst(LoginOptions.SubjectClaim)?.Value, OpsAuditEntry.OperatorLengthMax),
            Scheme = isMachine ? Machine : identity is null ? NoScheme : LoginToken.IsInHeader(http.Request) ? Bearer : Cookie,
            Address = AuditLog.Cut(http.Connection.RemoteIpAddress?.ToString(), OpsAuditEntry.AddressLengthMax),
            TraceId = Activity.Current?.TraceId.ToHexString() ?? "",
        };
        http.Features.Set(call);
        return call;
    }

    /// <summary>Lets handlers take it as a parameter.</summary>
    public static ValueTask<OperatorCall?> BindAsync(HttpContext http) => ValueTask.FromResult<OperatorCall?>(Of(http));
}
