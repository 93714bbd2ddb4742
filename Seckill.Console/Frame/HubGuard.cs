using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.Extensions.Options;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Console.Frame;

/// <summary>Section <c>Hub</c>: the connections that open pages hold.</summary>
internal sealed class HubOptions
{
    public const string Section = "Hub";

    /// <summary>Requests to the hub at once: an open page holds one, and some 150 KiB with it.</summary>
    [Range(1, 100_000)]
    public int ConnectionsMax { get; init; } = 200;
}

/// <summary>
/// Who may talk to the hub that the pages live on: operators, from a page of this console, a bounded number at once. The pages' own policy
/// comes too late for that: a circuit is made before a page is looked at.
/// </summary>
internal sealed class HubGuard(IOptions<HubOptions> options)
{
    private const string HubPath = "/_blazor";

    private int _open;

    /// <summary>Goes behind authentication.</summary>
    public async Task GuardAsync(HttpContext http, RequestDelegate next)
    {
        if (!http.Request.Path.StartsWithSegments(HubPath))
        {
            await next(http);
            return;
        }

        if (RefusalOf(http) is { } status)
        {
            Refuse(http, status);
            return;
        }

        try
        {
            if (Interlocked.Increment(ref _open) > options.Value.ConnectionsMax)
            {
                Refuse(http, StatusCodes.Status503ServiceUnavailable);
                return;
            }

            await next(http);
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    /// <summary>A script asks here, so the page for errors is nobody's answer.</summary>
    private static void Refuse(HttpContext http, int status)
    {
        http.Features.Get<IStatusCodePagesFeature>()?.Enabled = false;
        http.Response.StatusCode = status;
    }

    private static int? RefusalOf(HttpContext http)
    {
        if (!http.User.HasClaim(LoginOptions.RoleClaim, LoginOptions.OperatorRole))
        {
            return http.User.Identity?.IsAuthenticated == true ? StatusCodes.Status403Forbidden : StatusCodes.Status401Unauthorized;
        }

        var connects = http.WebSockets.IsWebSocketRequest || !HttpMethods.IsGet(http.Request.Method);
        return connects && OwnSite.IsElsewhere(http.Request) ? StatusCodes.Status403Forbidden : null;
    }
}

internal static class HubGuardRegistration
{
    public static IServiceCollection AddHubGuard(this IServiceCollection services)
    {
        services.AddOptions<HubOptions>().BindConfiguration(HubOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        return services.AddSingleton<HubGuard>();
    }

    /// <summary>Goes behind authentication.</summary>
    public static IApplicationBuilder UseHubGuard(this IApplicationBuilder app)
    {
        var guard = app.ApplicationServices.GetRequiredService<HubGuard>();
        app.UseWebSockets();
        return app.Use(next => http => guard.GuardAsync(http, next));
    }
}
