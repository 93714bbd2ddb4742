using Aspire.Hosting.Docker.Resources;
using Aspire.Hosting.Docker.Resources.ServiceNodes;
using Aspire.Hosting.Docker.Resources.ServiceNodes.Swarm;

namespace Seckill.AppHost;

/// <summary>What a Compose file needs besides what the application model says, so that it can serve for real.</summary>
internal static partial class Deployment
{
    // azd reads the manifest, which has no word for a Compose environment, and brings a target and a dashboard of its own.
    static partial void AddComposeFile(IDistributedApplicationBuilder builder, ProjectResource api)
    {
        if (builder.Configuration["Publishing:Publisher"] != "manifest")
            builder.AddDockerComposeEnvironment("compose").ConfigureComposeFile(file => Configure(file, api.GetReplicaCount()));
    }

    private const int DefaultHostPort = 8080;
    private const int DefaultConsoleHostPort = 8090;

    private static void Configure(ComposeFile file, int apiReplicas)
    {
        // Compose starts services in order but does not wait until they are healthy: whoever gives up is started again.
        foreach (var service in file.Services.Values)
            service.Restart ??= "unless-stopped";

        KeepData(file, "redis", "/data");
        KeepData(file, "rabbitmq", "/var/lib/rabbitmq");
        KeepData(file, "mysql", "/var/lib/mysql");

        // RabbitMQ finds its data by node name, which holds the host name: a new container must keep the old name.
        file.Services["rabbitmq"].Hostname = "rabbitmq";

        // One process can have a known port on the host; of several, each needs a port of its own and Docker chooses.
        var api = file.Services["api"];
        if (apiReplicas == 1)
            api.Ports = [.. api.Ports.Select(port => $"${{SECKILL_PORT:-{DefaultHostPort}}}:{port}")];
        else
            api.Deploy = new Deploy { Replicas = apiReplicas };

        var console = file.Services["console"];
        console.Ports = [.. console.Ports.Select(port => $"${{SECKILL_CONSOLE_PORT:-{DefaultConsoleHostPort}}}:{port}")];
    }

    private static void KeepData(ComposeFile file, string serviceName, string folder)
    {
        var volume = $"{serviceName}-data";
        file.Services[serviceName].AddVolume(new Volume { Name = volume, Type = "volume", Source = volume, Target = folder });
        file.AddVolume(new Volume { Name = volume, Driver = "local" });
    }
}
