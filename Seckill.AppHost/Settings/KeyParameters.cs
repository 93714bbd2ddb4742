namespace Seckill.AppHost.Settings;

internal static class KeyParameters
{
    /// <summary>
    /// A key that services share. <c>Parameters:name</c> takes precedence wherever it is set; otherwise a run uses the checkout's key and a
    /// deployment generates one.
    /// </summary>
    public static IResourceBuilder<ParameterResource> AddKey(
        this IDistributedApplicationBuilder builder, string name, Func<string> ofCheckout, int lengthMin) =>
        builder.ExecutionContext.IsRunMode
            ? builder.AddParameter(name, () => builder.Configuration[$"Parameters:{name}"] ?? ofCheckout(), secret: true)
            : builder.AddParameter(
                name, new GenerateParameterDefault { MinLength = lengthMin, Special = false }, secret: true, persist: true);
}
