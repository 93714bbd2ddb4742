namespace Seckill.AppHost.Running;

/// <summary>The resources that a run watches and reports.</summary>
/// <param name="Api">The gate.</param>
/// <param name="Console">The operators' console.</param>
/// <param name="OrderWorker">The worker.</param>
/// <param name="Servers">The three servers by connection name.</param>
/// <param name="SigningKey">The key of the buyers' tokens.</param>
internal sealed record RunParts(
    ProjectResource Api,
    ProjectResource Console,
    ProjectResource OrderWorker,
    IReadOnlyDictionary<string, IResourceWithConnectionString> Servers,
    ParameterResource SigningKey)
{
    /// <summary>The three applications, in the order in which they start.</summary>
    public IReadOnlyList<ProjectResource> Services { get; } = [OrderWorker, Api, Console];

    /// <summary>Whether a resource's end is reported.</summary>
    public bool IsWatched(IResource resource) =>
        Services.Any(service => service.Name == resource.Name) || Servers.ContainsKey(resource.Name) || resource.Name == DashboardResource;

    public const string DashboardResource = "aspire-dashboard";
}
