namespace Seckill.AppHost.Settings;

internal static class ManifestPublishing
{
    /// <summary>True when azd requests the manifest, with its older option or with the pipeline's.</summary>
    public static bool IsPublishingManifest(this IDistributedApplicationBuilder builder) =>
        builder.ExecutionContext.IsPublishMode
        && (builder.Configuration["Publishing:Publisher"] == "manifest" || builder.Configuration["Pipeline:Step"] == "publish-manifest");
}
