namespace Seckill.AppHost.Settings;

internal static class KeyParameters
{
    /// <summary>
    /// A key that services share. <c>Parameters:name</c> counts wherever it is set; else a run takes the checkout's and a deployment has
    /// one generated.
    /// </summary>
    public static IResourceBuilder<ParameterResource> AddKey(
        this IDistributedApplicationBuilder builder, string name, Func<string> ofCheckout, int lengthMin) =>
        builder.ExecutionContext.IsRunMode
            ? builder.AddParameter(name, () => builder.Configuration[$"Parameters:{name}"] ?? ofCheckout(), secret: true)
            : builder.AddParameter(
                name, new GenerateParameterDefault { MinLength = lengthMin, Special = false }, secret: true, persist: true);
}
