using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Seckill.Tests.AppModel;

/// <summary>The model that the AppHost's own program builds, never started: looking at it needs no container runtime.</summary>
internal sealed class BuiltAppHost(DistributedApplication application) : IAsyncDisposable
{
    private const int ShutdownTimeoutMs = 200;

    private readonly DistributedApplicationModel _model = application.Services.GetRequiredService<DistributedApplicationModel>();

    private readonly DistributedApplicationExecutionContext _context =
        application.Services.GetRequiredService<DistributedApplicationExecutionContext>();

    public IEnumerable<IResource> Resources => _model.Resources;

    public IResource this[string name] => _model.Resources.Single(resource => resource.Name == name);

    public static Task<BuiltAppHost> ForRunAsync(CancellationToken cancellationToken, params string[] args) => BuildAsync(args, cancellationToken);

    public static Task<BuiltAppHost> ForComposeAsync(string outputFolder, CancellationToken cancellationToken, params string[] args) =>
        BuildAsync(["--operation", "publish", "--step", "publish", "--output-path", outputFolder, .. args], cancellationToken);

    public static Task<BuiltAppHost> ForManifestAsync(string outputFile, CancellationToken cancellationToken) =>
        BuildAsync(["--publisher", "manifest", "--output-path", outputFile], cancellationToken);

    /// <summary>Runs the publisher that the arguments named, to its end.</summary>
    public Task PublishAsync(CancellationToken cancellationToken) => application.RunAsync(cancellationToken);

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

    public ValueTask DisposeAsync() => application.DisposeAsync();

    private static async Task<BuiltAppHost> BuildAsync(string[] args, CancellationToken cancellationToken)
    {
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.Seckill_AppHost>(args, cancellationToken);
        // Disposed without a start, the program goes on, finds itself stopped, and would log that as a disaster.
        builder.Services.AddLogging(logging => logging.ClearProviders());
        // Aspire waits for the end of a program that was never started, as long as a shutdown may take: let that be short.
        builder.Services.PostConfigure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromMilliseconds(ShutdownTimeoutMs));
        return new BuiltAppHost(await builder.BuildAsync(cancellationToken));
    }
}
