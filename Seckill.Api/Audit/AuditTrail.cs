using Seckill.Api.Errors;

namespace Seckill.Api.Audit;

/// <summary>Marks an endpoint whose calls are audited: the handler's entries, their outcome, and refused calls.</summary>
internal sealed record AuditedMetadata;

/// <summary>Audits the operators' endpoints.</summary>
internal static class AuditTrail
{
    private const int HungUp = StatusCodes.Status499ClientClosedRequest;

    /// <summary>Audits the calls. Must precede everything that turns exceptions into responses.</summary>
    public static TBuilder Audited<TBuilder>(this TBuilder route) where TBuilder : IEndpointConventionBuilder =>
        route.WithMetadata(new AuditedMetadata()).AddEndpointFilter(FollowAsync);

    /// <summary>Logs calls that authorization refuses. Must precede authentication and any earlier middleware that refuses calls.</summary>
    public static IApplicationBuilder UseAuditTrail(this IApplicationBuilder app)
    {
        var refusals = app.ApplicationServices.GetRequiredService<RefusalLog>();
        return app.Use(next => http =>
            http.GetEndpoint()?.Metadata.GetMetadata<AuditedMetadata>() is null ? next(http) : FollowAsync(http, next, refusals));
    }

    private static async Task FollowAsync(HttpContext http, RequestDelegate next, RefusalLog refusals)
    {
        await next(http);
        var status = http.Response.StatusCode;
        if (status >= StatusCodes.Status400BadRequest && OperatorCall.Of(http) is { Concluded: false } call)
        {
            refusals.Note(call, http.Request, status, "");
        }
    }

    private static async ValueTask<object?> FollowAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        var http = invocation.HttpContext;
        try
        {
            var answer = await next(invocation);
            await ConcludeAsync(http, StatusOf(answer), (answer as ErrorResult)?.Error ?? "");
            return answer;
        }
        catch (Exception failure)
        {
            var hungUp = failure is OperationCanceledException && http.RequestAborted.IsCancellationRequested;
            await ConcludeAsync(http, hungUp ? HungUp : StatusCodes.Status500InternalServerError, failure.GetType().Name);
            throw;
        }
    }

    private static async Task ConcludeAsync(HttpContext http, int status, string reason)
    {
        var call = OperatorCall.Of(http);
        call.Concluded = true;
        if (call.Entries.Count > 0)
        {
            await http.RequestServices.GetRequiredService<AuditLog>().ConcludeAsync(call, status, reason);
        }
        else if (status >= StatusCodes.Status400BadRequest)
        {
            http.RequestServices.GetRequiredService<RefusalLog>().Note(call, http.Request, status, reason);
        }
    }

    private static int StatusOf(object? answer) => (answer as IStatusCodeHttpResult)?.StatusCode ?? StatusCodes.Status200OK;
}
