using System.Globalization;
using Seckill.Api.Auth;
using Seckill.Api.Errors;
using Seckill.Api.Requests;

namespace Seckill.Api.Audit;

/// <summary>
/// An operator's action, a read of data, or a refused call. Times in ms since 1970 UTC. <c>status</c> and <c>error</c> are those of the
/// response, or of the action if it ended differently: null while the call is in progress or when it was interrupted.
/// </summary>
public sealed record AuditItem(
    string Id, long AtMs, string Operator, string Scheme, string Address, string Action, string Target, string Detail, string TraceId,
    long? EndedAtMs, int? Status, string? Error);

/// <summary>The newest operator actions, newest first.</summary>
public sealed record AuditResponse(IReadOnlyList<AuditItem> Items);

public static class AuditEndpoints
{
    private const int TakeDefault = 50;
    private const int TakeMax = 500;

    public static IServiceCollection AddAudit(this IServiceCollection services)
    {
        services.AddSingleton<AuditLog>();
        services.AddSingleton<RefusalLog>();
        return services.AddHostedService(provider => provider.GetRequiredService<RefusalLog>());
    }

    public static IEndpointRouteBuilder MapAudit(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/ops/audit", ReadAsync)
            .RequireAuthorization(LoginState.OperatorPolicy)
            .Audited()
            .AnswersBusyWhenServersFail()
            .WithName("Audit")
            .WithTags("Operations")
            .WithSummary("What operators did, were shown and were refused, newest first.")
            .Produces<AuditResponse>()
            .ProducesErrors(400, 401, 403, 503);
        return routes;
    }

    private static async Task<IResult> ReadAsync(AuditLog audit, string? take, CancellationToken cancellationToken)
    {
        if (!TakeParameter.TryRead(take, TakeDefault, TakeMax, out var count, out var error))
        {
            return error;
        }

        var entries = await audit.ReadAsync(count, cancellationToken);
        return TypedResults.Json(
            new AuditResponse([.. entries.Select(entry => new AuditItem(
                entry.Id.ToString(CultureInfo.InvariantCulture),
                Milliseconds(entry.At), entry.Operator, entry.Scheme, entry.Address, entry.Action, entry.Target, entry.Detail,
                entry.TraceId, entry.Outcome is { } ended ? Milliseconds(ended.At) : null, entry.Outcome?.Status,
                entry.Outcome?.Reason))]),
            ApiJson.Web.AuditResponse);
    }

    private static long Milliseconds(DateTime utc) => new DateTimeOffset(utc, TimeSpan.Zero).ToUnixTimeMilliseconds();
}
