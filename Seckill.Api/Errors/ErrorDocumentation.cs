namespace Seckill.Api.Errors;

/// <summary>Errors in the OpenAPI document.</summary>
internal static class ErrorDocumentation
{
    /// <summary>Documents that the route may answer with these statuses, each with an <see cref="ErrorBody"/>.</summary>
    public static RouteHandlerBuilder ProducesErrors(this RouteHandlerBuilder route, params int[] statuses)
    {
        foreach (var status in statuses)
        {
            route.Produces<ErrorBody>(status, ErrorResult.ContentType);
        }

        return route;
    }
}
