#pragma warning disable ASPIREINTERACTION001 // Commands with arguments are still marked as a preview.
using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Seckill.Tests.EndToEnd;

namespace Seckill.Tests.Hosting;

[CollectionDefinition(nameof(AppHostFixture))]
public sealed class AppHostDefinition : ICollectionFixture<AppHostFixture>;

/// <summary>
/// The real AppHost with private servers of this machine and its dashboard, started once for all tests that look at it from outside. It has
/// a state folder and ports of its own.
/// </summary>
public sealed class AppHostFixture : IAsyncLifetime
{
    private const int StartTimeoutMs = 240_000;
    private const int StopTimeoutMs = 60_000;

    private static readonly string[] PortOptions = ["Api", "Console", "OrderWorker", "Redis", "RabbitMq", "MySql", "Dashboard"];

    private readonly string _state = Directory.CreateTempSubdirectory("seckill-apphost-").FullName;

    private readonly string _dashboard = $"http://localhost:{LoopbackPorts.Take()}";
    private string? _token;

    /// <summary>The address that logs in to the dashboard.</summary>
    public string DashboardLoginUrl => $"{_dashboard}/login?t={_token}";

    public DistributedApplication Application { get; private set; } = null!;

    public ResourceNotificationService Notifications => Application.ResourceNotifications;

    public async ValueTask InitializeAsync()
    {
        using var patience = new CancellationTokenSource(StartTimeoutMs);
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.Seckill_AppHost>(
            [
                "--Servers=local", $"--Local:StateFolder={_state}", $"--ASPNETCORE_URLS={_dashboard}",
                $"--ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL=http://localhost:{LoopbackPorts.Take()}", .. Ports(),
            ],
            (options, _) => options.DisableDashboard = false,
            patience.Token);
        builder.Services.AddLogging(logging => logging.ClearProviders());
        _token = builder.Configuration["AppHost:BrowserToken"];
        // The ports are free ones already, and links to the dashboard need its address.
        builder.Configuration["DcpPublisher:RandomizePorts"] = "false";
        Application = await builder.BuildAsync(patience.Token);
        await Application.StartAsync(patience.Token);
        foreach (var service in new[] { "order-worker", "api", "console" })
        {
            await Notifications.WaitForResourceHealthyAsync(service, patience.Token);
        }
    }

    /// <summary>Runs a command of a resource as the dashboard does.</summary>
    public Task<ExecuteCommandResult> ExecuteAsync(
        string resource, string command, CancellationToken cancellationToken, params (string Name, string Value)[] arguments) =>
        Application.Services.GetRequiredService<ResourceCommandService>().ExecuteCommandAsync(
            resource,
            command,
            new InteractionInputCollection([.. arguments.Select(argument =>
                new InteractionInput { Name = argument.Name, InputType = InputType.Text, Value = argument.Value })]),
            cancellationToken);

    public ShopClient Client() => new(Application.GetEndpoint("api", "http").ToString());

    public async ValueTask DisposeAsync()
    {
        await Application.StopAsync().WaitAsync(TimeSpan.FromMilliseconds(StopTimeoutMs));
        await Application.DisposeAsync();
        await Deadline.UntilAsync(
            () => Task.FromResult(Tests.LocalServers.Processes.Mentioning(_state)), left => left.Count == 0, CancellationToken.None);
        Directory.Delete(_state, recursive: true);
    }

    /// <summary>Free ports for everything that has a preferred one.</summary>
    internal static string[] Ports() =>
    [
        .. PortOptions.Select(name => string.Create(CultureInfo.InvariantCulture, $"--Local:{name}Port={LoopbackPorts.Take()}")),
    ];
}
