using System.Globalization;
using Seckill.Api.Auth;
using Seckill.Api.Errors;
using Seckill.Api.Requests;

namespace Seckill.Api.Audit;

/// <summary>One operator action. Time in ms since 1970 UTC.</summary>
public sealed record AuditItem(string Id, long AtMs, string Operator, string Action, string Target, string Detail, string TraceId);

/// <summary>The newest operator actions, newest first.</summary>
public sealed record AuditResponse(IReadOnlyList<AuditItem> Items);

public static class AuditEndpoints
{
    private const int TakeDefault = 50;
    private const int TakeMax = 500;

    public static IEndpointRouteBuilder MapAudit(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/ops/audit", ReadAsync)
            .RequireAuthorization(LoginState.OperatorPolicy)
            .AnswersBusyWhenServersFail()
            .WithName("Audit")
            .WithTags("Operations")
            .WithSummary("What operators did, newest first.")
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
                new DateTimeOffset(entry.At, TimeSpan.Zero).ToUnixTimeMilliseconds(),
                entry.Operator, entry.Action, entry.Target, entry.Detail, entry.TraceId))]),
            ApiJson.Web.AuditResponse);
    }
}
