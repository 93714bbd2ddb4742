#pragma warning disable ASPIREINTERACTION001 // Commands with arguments are still marked as a preview.
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Seckill.Tests.Hosting;

namespace Seckill.Tests.AppModel;

/// <summary>
/// The model that the AppHost's own program builds, never started: reading it needs no container runtime. The program would continue by
/// itself after the build, so it is held right before it starts anything; otherwise a test could see it half started or still changing the
/// model.
/// </summary>
internal sealed class BuiltAppHost(DistributedApplication application, TaskCompletionSource<bool> goesOn, string stateFolder)
    : IAsyncDisposable
{
    private const int HeldTimeoutMs = 60_000;

    private readonly DistributedApplicationModel _model = application.Services.GetRequiredService<DistributedApplicationModel>();

    private readonly DistributedApplicationExecutionContext _context =
        application.Services.GetRequiredService<DistributedApplicationExecutionContext>();

    public IEnumerable<IResource> Resources => _model.Resources;

    public ResourceNotificationService Notifications => application.ResourceNotifications;

    public IResource this[string name] => _model.Resources.Single(resource => resource.Name == name);

    /// <summary>With containers unless the arguments say otherwise, so that the result does not depend on a container runtime.</summary>
    public static Task<BuiltAppHost> ForRunAsync(CancellationToken cancellationToken, params string[] args) =>
        BuildAsync(["--Servers=containers", .. args], cancellationToken);

    /// <summary>For publishing. The arguments may name a step, which decides what is published and for which target.</summary>
    public static Task<BuiltAppHost> ForPublishAsync(string outputFolder, CancellationToken cancellationToken, params string[] args) =>
        BuildAsync(["--operation", "publish", "--output-path", outputFolder, .. args], cancellationToken);

    /// <summary>As azd does.</summary>
    public static Task<BuiltAppHost> ForManifestAsync(string outputFile, CancellationToken cancellationToken, params string[] args) =>
        BuildAsync(["--publisher", "manifest", "--output-path", outputFile, .. args], cancellationToken);

    /// <summary>Fails when two health checks have one name, as the start of the application would.</summary>
    public HealthCheckService CreateHealthCheckService() => application.Services.GetRequiredService<HealthCheckService>();

    /// <summary>Runs the publisher that the arguments named, to its end.</summary>
    public Task PublishAsync(CancellationToken cancellationToken)
    {
        goesOn.TrySetResult(true);
        return application.RunAsync(cancellationToken);
    }

    /// <summary>A resource's environment; when publishing, values are the manifest's expressions.</summary>
    public async Task<Dictionary<string, string>> EnvironmentOfAsync(string name, CancellationToken cancellationToken)
    {
        var configuration = await ExecutionConfigurationBuilder.Create(this[name])
            .WithEnvironmentVariablesConfig()
            .BuildAsync(_context, cancellationToken: cancellationToken);
        return configuration.EnvironmentVariables.ToDictionary();
    }

    public async Task<string> CommandLineOfAsync(string name, CancellationToken cancellationToken)
    {
        var configuration = await ExecutionConfigurationBuilder.Create(this[name])
            .WithArgumentsConfig()
            .BuildAsync(_context, cancellationToken: cancellationToken);
        return string.Join(' ', configuration.Arguments.Select(argument => argument.Value));
    }

    /// <summary>Runs a command of a service as the dashboard does, with a stand-in for the service on a port of this machine.</summary>
    public Task<ExecuteCommandResult> ExecuteAsync(
        string service, int port, string command, CancellationToken cancellationToken, params (string Name, string Value)[] arguments)
    {
        var endpoint = this[service].Annotations.OfType<EndpointAnnotation>().Single(endpoint => endpoint.Name == "http");
        endpoint.AllocatedEndpoint = new AllocatedEndpoint(endpoint, "127.0.0.1", port);
        return application.Services.GetRequiredService<ResourceCommandService>().ExecuteCommandAsync(
            this[service],
            command,
            new InteractionInputCollection([.. arguments.Select(argument =>
                new InteractionInput { Name = argument.Name, InputType = InputType.Text, Value = argument.Value })]),
            cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        goesOn.TrySetResult(false);
        await application.DisposeAsync();
        Directory.Delete(stateFolder, recursive: true);
    }

    public static async Task<BuiltAppHost> BuildAsync(string[] args, CancellationToken cancellationToken)
    {
        // A folder and ports of its own, because the tested checkout may be running or be started meanwhile.
        var stateFolder = Directory.CreateTempSubdirectory("seckill-model").FullName;
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.Seckill_AppHost>(
            [$"--Local:StateFolder={stateFolder}", .. AppHostFixture.Ports(), .. args], cancellationToken);
        // The end of a program that started nothing would be logged as a critical error.
        builder.Services.AddLogging(logging => logging.ClearProviders());
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var goesOn = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        builder.Eventing.Subscribe<BeforeStartEvent>(async (_, stopped) =>
        {
            held.TrySetResult();
            if (!await goesOn.Task.WaitAsync(stopped))
            {
                throw new OperationCanceledException("The model was only read.");
            }
        });
        var application = await builder.BuildAsync(cancellationToken);
        await held.Task.WaitAsync(TimeSpan.FromMilliseconds(HeldTimeoutMs), cancellationToken);
        return new BuiltAppHost(application, goesOn, stateFolder);
    }
}
