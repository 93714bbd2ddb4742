using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.StackExchangeRedis;
using StackExchange.Redis;

namespace Seckill.Console.Auth;

/// <summary>
/// The keys that protect forms and circuits are in Redis, so that an open page survives a new container and several consoles accept
/// each other's forms. Logins do not depend on them. A process caches them; one that starts without Redis has no forms until it is back.
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
