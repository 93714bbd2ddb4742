namespace Seckill.AppHost.Publishing;

/// <summary>What a deployment has besides the application model.</summary>
internal static partial class Deployment
{
    /// <exception cref="DistributedApplicationException">Something is to be published or deployed, and there is no target for
    /// it.</exception>
    public static void AddDeployment(
        this IDistributedApplicationBuilder builder, IResourceBuilder<ProjectResource> api, IResourceBuilder<ProjectResource> console)
    {
        AddCompose(builder, api, console);

        // Without a target Aspire publishes nothing and calls it a success.
        if (builder.ExecutionContext.IsPublishMode
            && builder.Configuration["Pipeline:Step"] is "publish" or "deploy"
            && !builder.Resources.OfType<IComputeEnvironmentResource>().Any())
        {
            throw new DistributedApplicationException(
                "There is no target to publish for: this build has no Aspire.Hosting.Docker, which writes Compose files. "
                + "The manifest needs no target: --operation publish --step publish-manifest --output-path <folder>.");
        }
    }

    /// <summary>In ComposeDeployment.cs, where Aspire.Hosting.Docker is to be had.</summary>
    static partial void AddCompose(
        IDistributedApplicationBuilder builder, IResourceBuilder<ProjectResource> api, IResourceBuilder<ProjectResource> console);
}
