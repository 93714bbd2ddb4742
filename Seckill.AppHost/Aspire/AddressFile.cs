using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Seckill.AppHost.Aspire;

/// <summary>
/// Keeps <c>.seckill/local.json</c> while the application runs, in the shape that the local AppHost writes, so that <c>./seckill demo</c> and a person with a
/// MySQL client find the system without copying addresses from the dashboard.
/// </summary>
internal sealed class AddressFile(
    ResourceNotificationService resources, IResourceWithEndpoints api, IResourceWithEndpoints console, ParameterResource signingKey,
    IReadOnlyDictionary<string, IResourceWithConnectionString> servers, string folder) : BackgroundService
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        // A file for programs and people, not a web page: a plus sign may stay a plus sign.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private string Path => System.IO.Path.Combine(folder, "local.json");

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        // Stopped before it began, there is no folder either.
        if (File.Exists(Path))
            File.Delete(Path);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // From a run that was killed: its addresses lead nowhere.
        Directory.CreateDirectory(folder);
        File.Delete(Path);
        await resources.WaitForResourceHealthyAsync(api.Name, stoppingToken);
        await resources.WaitForResourceHealthyAsync(console.Name, stoppingToken);

        var connectionStrings = new Dictionary<string, string?>();
        foreach (var (name, server) in servers)
            connectionStrings[name] = await server.GetConnectionStringAsync(stoppingToken);
        var addresses = new
        {
            Api = api.GetEndpoint("http").Url,
            Console = console.GetEndpoint("http").Url,
            ConnectionStrings = connectionStrings,
            // The load generator signs the tokens of its thousands of buyers itself.
            SigningKey = await signingKey.GetValueAsync(stoppingToken),
        };
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        // It holds secrets.
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        await using var file = new FileStream(Path, options);
        await JsonSerializer.SerializeAsync(file, addresses, Json, stoppingToken);
    }
}

internal static class AddressFileRegistration
{
    /// <summary>Keeps the addresses in the checkout's <c>.seckill</c> folder; for a run only.</summary>
    public static void AddAddressFile(
        this IDistributedApplicationBuilder builder, IResourceWithEndpoints api, IResourceWithEndpoints console, ParameterResource signingKey,
        IReadOnlyDictionary<string, IResourceWithConnectionString> servers) =>
        builder.Services.AddHostedService(services => new AddressFile(
            services.GetRequiredService<ResourceNotificationService>(), api, console, signingKey, servers, Path.Combine(builder.AppHostDirectory, "..", ".seckill")));
}
