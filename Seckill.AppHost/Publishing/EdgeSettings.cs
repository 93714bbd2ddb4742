using Microsoft.Extensions.Configuration;

namespace Seckill.AppHost.Publishing;

internal static class EdgeSettings
{
    private const string Section = "Edge";

    /// <summary>
    /// Passes the AppHost's own section <c>Edge</c> on to the published Api: only the operator knows the proxy in front of a deployment.
    /// </summary>
    public static void WithEdgeSettings(this IResourceBuilder<ProjectResource> api)
    {
        foreach (var (name, value) in api.ApplicationBuilder.Configuration.GetSection(Section).AsEnumerable())
        {
            if (value is not null)
            {
                api.WithEnvironment(name.Replace(":", "__", StringComparison.Ordinal), value);
            }
        }
    }
}
