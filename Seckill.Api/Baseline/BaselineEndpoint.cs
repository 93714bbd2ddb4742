using System.Globalization;
using Seckill.Api.Auth;

namespace Seckill.Api.Baseline;

/// <summary>
/// An endpoint that does nothing, behind the same pipeline and the same authentication as an order. The cost of an order beyond this
/// baseline is our own; the rest is HTTP, the token and the machine. It also returns the bytes that the process has allocated so far.
/// Mapped only with <c>Yardstick:Enabled</c>, which <c>./seckill bench</c> sets.
/// </summary>
internal static class BaselineEndpoint
{
    private static readonly byte[] Nothing = "{\"message\":\"nothing\"}"u8.ToArray();

    public static IEndpointRouteBuilder MapBaseline(this IEndpointRouteBuilder routes, IConfiguration configuration)
    {
        if (configuration.GetValue("Yardstick:Enabled", false))
        {
            routes.MapPost("/api/yardstick", AnswerAsync).RequireBuyer().ExcludeFromDescription();
            routes.MapGet("/api/yardstick/allocated-bytes", () => AllocatedBytes().ToString(CultureInfo.InvariantCulture))
                .ExcludeFromDescription();
        }

        return routes;
    }

    /// <summary>Precise, because the imprecise number stands still between two collections, which may be longer than a stage.</summary>
    private static long AllocatedBytes() => GC.GetTotalAllocatedBytes(precise: true);

    private static Task AnswerAsync(HttpContext http)
    {
        http.Response.ContentType = "application/json";
        http.Response.ContentLength = Nothing.Length;
        return http.Response.Body.WriteAsync(Nothing, http.RequestAborted).AsTask();
    }
}
