using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.StackExchangeRedis;
using StackExchange.Redis;

namespace Seckill.Console.Auth;

/// <summary>
/// The keys that protect the pages' forms and circuits are in Redis, so that an open page outlives a container and several consoles take
/// each other's. Logins do not hang on them. A process has them in memory; one that starts while Redis is away waits for it with its forms.
/// </summary>
internal static class KeptKeys
{
    private const string RedisKey = "seckill:console:data-protection";
    private const string ApplicationName = "seckill-console";

    public static IServiceCollection AddKeptKeys(this IServiceCollection services)
    {
        services.AddDataProtection().SetApplicationName(ApplicationName);
        services.AddOptions<KeyManagementOptions>().Configure<IConnectionMultiplexer>(
            (keys, redis) => keys.XmlRepository = new RedisXmlRepository(() => redis.GetDatabase(), RedisKey));
        return services;
    }
}
