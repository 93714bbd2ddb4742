namespace Seckill.AppHost.Publishing;

/// <summary>Additions of a deployment to the application model.</summary>
internal static partial class Deployment
{
    /// <exception cref="DistributedApplicationException">Publishing or deploying was requested, and there is no target for
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

    /// <summary>Implemented in ComposeDeployment.cs if Aspire.Hosting.Docker is available.</summary>
    static partial void AddCompose(
        IDistributedApplicationBuilder builder, IResourceBuilder<ProjectResource> api, IResourceBuilder<ProjectResource> console);
}
