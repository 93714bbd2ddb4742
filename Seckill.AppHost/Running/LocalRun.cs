using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Seckill.AppHost.Settings;
using Seckill.LocalServers;

namespace Seckill.AppHost.Running;

internal static class LocalRun
{
    private const int Failed = 1;
    private const int WrongSettings = 2;

    /// <summary>
    /// For a run only: allows one run per checkout at a time, publishes addresses for people and programs, and ends the run if something
    /// cannot start. Call it after adding the resources.
    /// </summary>
    public static void AddLocalRun(this IDistributedApplicationBuilder builder, RunParts parts, LocalOptions options)
    {
        // Otherwise the AppHost ends before the processes that it started.
        builder.Configuration["DcpPublisher:WaitForResourceCleanup"] ??= "true";
        builder.Services.AddSingleton(parts);
        builder.Services.AddSingleton(options);
        // Must precede Aspire's own services, which return only when everything is up.
        builder.Services.AddSingleton<RunMonitor>();
        builder.Services.Insert(0, ServiceDescriptor.Singleton<IHostedService>(services => services.GetRequiredService<RunMonitor>()));
        // The last hosted service is the first one to be stopped.
        builder.Services.AddHostedService<ServicesStop>();
        // The monitor prints the essentials; the rest is in the dashboard. A missing development certificate is expected:
        // everything is plain HTTP on loopback.
        builder.Services.AddLogging(logging => logging
            .AddFilter("Aspire.Hosting", LogLevel.Warning)
            .AddFilter("Aspire.Hosting.Dcp.DcpHost", LogLevel.Error)
            .AddFilter("Microsoft.AspNetCore", LogLevel.Warning)
            // RunUntilStoppedAsync gets the exception of an aborted start, so its stack trace need not be logged as well.
            .AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical));
    }

    /// <summary>Runs, or publishes, until it is done or told to stop.</summary>
    /// <returns>Exit code: 0 after a signal, 1 when something could not be started.</returns>
    /// <exception cref="LocalServerException">Another AppHost runs in this checkout.</exception>
    public static async Task<int> RunUntilStoppedAsync(this DistributedApplication application)
    {
        var monitor = application.Services.GetService<RunMonitor>();
        monitor?.TakeCheckout();
        try
        {
            await application.RunAsync();
        }
        finally
        {
            monitor?.EndOrphans();
        }

        if (monitor is not null)
        {
            Terminal.Say("stopped; no process is left");
        }

        return Environment.ExitCode;
    }

    /// <summary>
    /// True for errors that the user at the terminal can understand and fix; a test that hosts this program gets the exception itself.
    /// </summary>
    public static bool IsForTerminal(Exception refused) =>
        refused is DistributedApplicationException or LocalServerException && Assembly.GetEntryAssembly() == typeof(LocalRun).Assembly;

    /// <summary>Prints the reason for the failed start.</summary>
    /// <returns>Exit code: 2 for wrong settings, 1 for anything else.</returns>
    public static int Refuse(Exception refused)
    {
        Terminal.SayError(refused.Message);
        return refused is DistributedApplicationException ? WrongSettings : Failed;
    }
}
