using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.Extensions.Options;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Console.Frame;

/// <summary>Section <c>Hub</c>: the connections of open pages.</summary>
internal sealed class HubOptions
{
    public const string Section = "Hub";

    /// <summary>Concurrent requests to the hub. An open page holds one, and some 150 KiB of memory.</summary>
    [Range(1, 100_000)]
    public int ConnectionsMax { get; init; } = 200;
}

/// <summary>
/// Guards the hub of the Blazor circuits: operators only, from a page of this console, a bounded number at once. The pages' own policy
/// comes too late for that: a circuit is created before a page is authorized.
/// </summary>
internal sealed class HubGuard(IOptions<HubOptions> options)
{
    private const string HubPath = "/_blazor";

    private int _open;

    /// <summary>Must run after authentication.</summary>
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

    /// <summary>A script sends these requests, so the answer is not an error page.</summary>
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

    /// <summary>Must run after authentication.</summary>
    public static IApplicationBuilder UseHubGuard(this IApplicationBuilder app)
    {
        var guard = app.ApplicationServices.GetRequiredService<HubGuard>();
        app.UseWebSockets();
        return app.Use(next => http => guard.GuardAsync(http, next));
    }
}
