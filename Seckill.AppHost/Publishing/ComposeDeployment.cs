using Aspire.Hosting.Docker.Resources.ComposeNodes;
using Aspire.Hosting.Docker.Resources.ServiceNodes.Swarm;
using Seckill.AppHost.Servers;
using Seckill.AppHost.Settings;

namespace Seckill.AppHost.Publishing;

/// <summary>Additions to the application model that a Compose file needs for production.</summary>
internal static partial class Deployment
{
    private const int DefaultHostPort = 8080;
    private const int DefaultConsoleHostPort = 8090;
    private const string Bind = "${SECKILL_BIND:-127.0.0.1}";

    /// <summary>The Api's draining and stop take up to 35 s, and the worker's stop 23 s. By default Docker kills after 10 s.</summary>
    private const string StopGracePeriod = "40s";

    static partial void AddCompose(
        IDistributedApplicationBuilder builder, IResourceBuilder<ProjectResource> api, IResourceBuilder<ProjectResource> console)
    {
        // azd has its own target and dashboard.
        if (builder.IsPublishingManifest())
        {
            return;
        }

        // Compose starts services in order but does not wait until they are healthy: a service that gives up is restarted.
        builder.AddDockerComposeEnvironment("compose").ConfigureComposeFile(file =>
        {
            foreach (var (name, service) in file.Services)
            {
                service.Restart ??= "unless-stopped";
                if (builder.Resources.OfType<ProjectResource>().Any(project => project.Name == name))
                {
                    service.StopGracePeriod ??= StopGracePeriod;
                }
                else
                {
                    // Docker publishes a port without an address on all interfaces. The dashboard has one, and shows everything.
                    service.Ports = [.. service.Ports.Select(port => port.Contains(':') ? port : $"{Bind}::{port}")];
                }
            }
        });
        if (builder.ExecutionContext.IsPublishMode)
        {
            KeepData(builder);
        }

        api.PublishAsDockerComposeService(
            (_, service) => PublishPorts(service, "SECKILL_PORT", DefaultHostPort, api.Resource.GetReplicaCount()));
        console.PublishAsDockerComposeService(
            (_, service) => PublishPorts(service, "SECKILL_CONSOLE_PORT", DefaultConsoleHostPort, replicas: 1));
    }

    /// <summary>Named volumes on the host's disk, and a fixed host name for each server.</summary>
    private static void KeepData(IDistributedApplicationBuilder builder)
    {
        foreach (var server in builder.GetServerContainers())
        {
            var name = server.Resource.Name;
            server.WithVolume($"{name}-data", ContainerServers.DataFolders[name]);
            // RabbitMQ finds its data by node name, which contains the host name.
            server.PublishAsDockerComposeService((_, service) => service.Hostname = name);
        }
    }

    /// <summary>
    /// Publishes on the host's own loopback unless <c>SECKILL_BIND</c> says otherwise, because the ports speak plain HTTP and belong behind
    /// a TLS proxy. A single process gets a known port; several processes need a port each, which Docker chooses.
    /// </summary>
    private static void PublishPorts(Service service, string variable, int port, int replicas)
    {
        if (replicas == 1)
        {
            service.Ports = [.. service.Ports.Select(target => $"{Bind}:${{{variable}:-{port}}}:{target}")];
        }
        else
        {
            service.Ports = [.. service.Ports.Select(target => $"{Bind}::{target}")];
            service.Deploy = new Deploy { Replicas = replicas };
        }
    }
}
