using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Seckill.LocalServers;

namespace Seckill.AppHost.Servers;

/// <summary>A server that is a process of this machine, where no container runtime answers.</summary>
internal sealed class LocalServerResource(string name) : Resource(name), IResourceWithConnectionString
{
    private readonly TaskCompletionSource<LocalServer> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when it is healthy for the first time.</summary>
    public Task<LocalServer> Started => _started.Task;

    public ReferenceExpression ConnectionStringExpression => ReferenceExpression.Create($"{new StartedValue(this)}");

    public void Set(LocalServer server) => _started.SetResult(server);

    public void Fail(Exception failure) => _started.SetException(failure);

    private sealed class StartedValue(LocalServerResource resource) : IValueProvider, IManifestExpressionProvider
    {
        public string ValueExpression => $"{{{resource.Name}.connectionString}}";

        public async ValueTask<string?> GetValueAsync(CancellationToken cancellationToken) => (await resource.Started.WaitAsync(cancellationToken)).ConnectionString;
    }
}

internal static class LocalServerResourceExtensions
{
    private const int LogIntervalMs = 250;

    public static IResourceBuilder<LocalServerResource> AddLocalServer<T>(
        this IDistributedApplicationBuilder builder, string name, Func<CancellationToken, Task<T>> start)
        where T : LocalServer
    {
        if (!builder.Services.Any(service => service.ImplementationType == typeof(LocalServersStop)))
            builder.Services.Insert(0, ServiceDescriptor.Singleton<IHostedService, LocalServersStop>());
        var resource = new LocalServerResource(name);
        return builder.AddResource(resource)
            .WithInitialState(new CustomResourceSnapshot { ResourceType = typeof(T).Name, Properties = [], State = KnownResourceStates.NotStarted })
            .WithConnectionCheck(async (_, cancellationToken) => await (await resource.Started).CheckAsync(cancellationToken))
            .OnInitializeResource((_, context, cancellationToken) => RunAsync(resource, context, start, cancellationToken))
            .WithCommand(KnownResourceCommands.RestartCommand, "Restart", async context =>
            {
                await (await resource.Started).RestartAsync(context.CancellationToken);
                return CommandResults.Success();
            });
    }

    private static async Task RunAsync<T>(
        LocalServerResource resource, InitializeResourceEvent context, Func<CancellationToken, Task<T>> start, CancellationToken cancellationToken)
        where T : LocalServer
    {
        await context.Eventing.PublishAsync(new BeforeResourceStartedEvent(resource, context.Services), cancellationToken);
        await context.Notifications.PublishUpdateAsync(resource, state => state with { State = KnownResourceStates.Starting });
        T server;
        try
        {
            server = await start(cancellationToken);
        }
        catch (Exception failure)
        {
            context.Logger.LogError("{Failure}", failure.Message);
            await context.Notifications.PublishUpdateAsync(resource, state => state with { State = KnownResourceStates.FailedToStart });
            resource.Fail(failure);
            return;
        }

        resource.Set(server);
        await context.Eventing.PublishAsync(new ConnectionStringAvailableEvent(resource, context.Services), cancellationToken);
        await context.Notifications.PublishUpdateAsync(resource, state => state with
        {
            State = KnownResourceStates.Running,
            StartTimeStamp = DateTime.UtcNow,
            Urls = [new UrlSnapshot("tcp", $"tcp://127.0.0.1:{server.Port}", IsInternal: false)],
            Properties = [new(CustomResourceKnownProperties.Source, $"{typeof(T).Name} {server.Version}"), new("server.pid", server.ProcessId)],
        });
        using var log = new StreamReader(new FileStream(server.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        while (true)
        {
            while (await log.ReadLineAsync(cancellationToken) is { } line)
                context.Logger.LogInformation("{Line}", line);
            if (server.Exited.IsCompleted)
                break;
            await Task.Delay(LogIntervalMs, cancellationToken);
        }

        var exitCode = await server.Exited;
        await context.Notifications.PublishUpdateAsync(resource, state => state with { State = KnownResourceStates.Exited, ExitCode = exitCode });
    }

    /// <summary>The first hosted service is stopped last: servers outlive the services that use them.</summary>
    private sealed class LocalServersStop(DistributedApplicationModel model) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.WhenAll(model.Resources.OfType<LocalServerResource>()
            .Where(resource => resource.Started.IsCompletedSuccessfully)
            .Select(async resource => await (await resource.Started).DisposeAsync()));
    }
}
