namespace Seckill.AppHost;

internal static partial class Deployment
{
    public static void Add(IDistributedApplicationBuilder builder, ProjectResource api) => AddComposeFile(builder, api);

    /// <summary>In Compose/, where Aspire.Hosting.Docker is to be had.</summary>
    static partial void AddComposeFile(IDistributedApplicationBuilder builder, ProjectResource api);
}
