namespace Seckill.AppHost.Aspire;

internal static class WarmUpCommand
{
    public const string Name = "warm-up";

    /// <summary>A button in the dashboard, and a command of the CLI, that loads the stock from MySQL into Redis.</summary>
    public static IResourceBuilder<ProjectResource> WithWarmUpCommand(
        this IResourceBuilder<ProjectResource> api, IResourceBuilder<ParameterResource> opsKey) =>
        api.WithHttpCommand("/api/ops/warm-up", "Warm up", commandName: Name, commandOptions: new HttpCommandOptions
        {
            Description = "Loads the stock of every sale from MySQL into Redis. A running sale is left alone.",
            IconName = "Fire",
            IsHighlighted = true,
            Method = HttpMethod.Post,
            ResultMode = HttpCommandResultMode.Auto,
            PrepareRequest = async context =>
                context.Request.Headers.Add("X-Ops-Key", await opsKey.Resource.GetValueAsync(context.CancellationToken)),
        });
}
