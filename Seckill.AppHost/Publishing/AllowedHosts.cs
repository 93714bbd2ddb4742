using Seckill.AppHost.Settings;

namespace Seckill.AppHost.Publishing;

internal static class AllowedHosts
{
    /// <summary>This machine's names, and the names by which the services address each other.</summary>
    private const string Default = "localhost;127.0.0.1;[::1];api;console";

    /// <summary>In azd's target, every name is below this one.</summary>
    private const string ContainerApps = "*.azurecontainerapps.io";

    /// <summary>
    /// The host names that the Api and the console accept, separated by semicolons; a deployment adds the site's own. Others get a 400.
    /// The manifest carries the default. Compose's <c>.env</c> is written without values: an empty one fails the applications' startup.
    /// </summary>
    public static IResourceBuilder<ParameterResource> AddAllowedHosts(this IDistributedApplicationBuilder builder) =>
        builder.AddParameter(
            "allowed-hosts", builder.IsPublishingManifest() ? $"{Default};{ContainerApps}" : Default, publishValueAsDefault: true);
}
