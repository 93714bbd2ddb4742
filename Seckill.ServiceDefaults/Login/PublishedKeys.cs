using Microsoft.Extensions.Hosting;

namespace Seckill.ServiceDefaults.Login;

/// <summary>Keys that this repository once contained. They are public, so they are refused outside Development.</summary>
public static class PublishedKeys
{
    public const string LoginRefused =
        "Auth:SigningKey, or one of Auth:FurtherKeys, is one that everybody knows: set a random one of your own.";

    private static readonly string[] Known = ["development-only-signing-key-0123456789abcdef", "development-only-ops-key"];

    /// <summary>Whether none of the keys is public, or the environment is Development.</summary>
    public static bool MayBeUsed(IHostEnvironment environment, IEnumerable<string> keys) =>
        environment.IsDevelopment() || !keys.Any(key => Known.Contains(key));
}
