using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Seckill.LocalServers;

namespace Seckill.AppHost.Servers;

internal static class LocalServerExtensions
{
    /// <summary>Adds a server as a process on this machine, with health, log, URL and commands in the dashboard.</summary>
    public static IResourceBuilder<LocalServerResource> AddLocalServer(
        this IDistributedApplicationBuilder builder, string name, Func<CancellationToken, Task<LocalServer>> start)
    {
        if (!builder.Services.Any(service => service.ServiceType == typeof(LocalServerProcesses)))
        {
            builder.Services.AddSingleton<LocalServerProcesses>();
            // The first hosted service is the last one to be stopped: servers outlive the services that use them.
            builder.Services.Insert(
                0, ServiceDescriptor.Singleton<IHostedService>(services => services.GetRequiredService<LocalServerProcesses>()));
        }

        var resource = new LocalServerResource(name, start);
        return builder.AddResource(resource)
            .WithInitialState(
                new CustomResourceSnapshot { ResourceType = "LocalServer", Properties = [], State = KnownResourceStates.NotStarted })
            .WithConnectionCheck(async (_, cancellationToken) =>
                await (await resource.Started.WaitAsync(cancellationToken)).CheckAsync(cancellationToken))
            .OnInitializeResource(
                (_, context, _) => context.Services.GetRequiredService<LocalServerProcesses>().RunAsync(resource, context))
            .WithLifecycleCommand(KnownResourceCommands.StartCommand, "Start", "Play", KnownResourceStates.TerminalStates.Contains,
                (processes, cancellationToken) => processes.RestartAsync(resource, cancellationToken))
            .WithLifecycleCommand(KnownResourceCommands.StopCommand, "Stop", "Stop", state => state == KnownResourceStates.Running,
                (processes, cancellationToken) => processes.StopAsync(resource, cancellationToken))
            .WithLifecycleCommand(
                KnownResourceCommands.RestartCommand, "Restart", "ArrowCounterclockwise", state => state == KnownResourceStates.Running,
                (processes, cancellationToken) => processes.RestartAsync(resource, cancellationToken));
    }

    private static IResourceBuilder<LocalServerResource> WithLifecycleCommand(
        this IResourceBuilder<LocalServerResource> server, string name, string displayName, string icon, Func<string, bool> isOfferedIn,
        Func<LocalServerProcesses, CancellationToken, Task> execute) =>
        server.WithCommand(name, displayName, async context =>
        {
            try
            {
                await execute(context.Services.GetRequiredService<LocalServerProcesses>(), context.CancellationToken);
                return CommandResults.Success();
            }
            catch (LocalServerException failure)
            {
                return CommandResults.Failure(failure);
            }
        }, new CommandOptions
        {
            IconName = icon,
            UpdateState = context => context.ResourceSnapshot.State?.Text is { } state && isOfferedIn(state)
                ? ResourceCommandState.Enabled
                : ResourceCommandState.Hidden,
        });
}
