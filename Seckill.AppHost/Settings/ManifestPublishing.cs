namespace Seckill.AppHost.Settings;

internal static class ManifestPublishing
{
    /// <summary>True when azd asks for the manifest, in its older words or in those of the pipeline.</summary>
    public static bool IsPublishingManifest(this IDistributedApplicationBuilder builder) =>
        builder.ExecutionContext.IsPublishMode
        && (builder.Configuration["Publishing:Publisher"] == "manifest" || builder.Configuration["Pipeline:Step"] == "publish-manifest");
}
