namespace Seckill.AppHost.Publishing;

/// <summary>What a deployment has besides the application model. Without a target of its own it is the manifest that azd reads.</summary>
internal static partial class Deployment
{
    public static void AddDeployment(this IDistributedApplicationBuilder builder, IResourceBuilder<ProjectResource> api, IResourceBuilder<ProjectResource> console) =>
        AddCompose(builder, api, console);

    /// <summary>In Compose/, where Aspire.Hosting.Docker is to be had.</summary>
    static partial void AddCompose(
        IDistributedApplicationBuilder builder, IResourceBuilder<ProjectResource> api, IResourceBuilder<ProjectResource> console);
}
