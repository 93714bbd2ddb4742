using Microsoft.Extensions.Configuration;

namespace Seckill.AppHost.Servers;

/// <summary>Three external servers, known only by their connection strings.</summary>
internal static class ExternalServers
{
    /// <summary>
    /// Connection strings are used as they are, with TLS and several hosts as each client understands them. A run reads
    /// <c>ConnectionStrings:redis</c>, <c>:rabbitmq</c> and <c>:mysql</c>; a deployment asks for them as secrets.
    /// </summary>
    /// <exception cref="DistributedApplicationException">In a run: a connection string is missing.</exception>
    public static ServerResources AddExternalServers(this IDistributedApplicationBuilder builder)
    {
        string[] names = [ServerResources.RedisName, ServerResources.RabbitMQName, ServerResources.MySqlName];
        var missing = names.Where(name => string.IsNullOrWhiteSpace(builder.Configuration.GetConnectionString(name)))
            .Select(name => $"ConnectionStrings:{name}")
            .ToArray();
        if (builder.ExecutionContext.IsRunMode && missing.Length > 0)
        {
            throw new DistributedApplicationException($"Servers is external, and these are not configured: {string.Join(", ", missing)}.");
        }

        return new(
            builder.AddExternalServer(ServerResources.RedisName),
            builder.AddExternalServer(ServerResources.RabbitMQName),
            builder.AddExternalServer(ServerResources.MySqlName));
    }

    private static IResourceBuilder<ConnectionStringResource> AddExternalServer(this IDistributedApplicationBuilder builder, string name)
    {
        var parameter = builder.AddParameter(
            $"{name}-connection-string",
            () => builder.Configuration.GetConnectionString(name)
                ?? throw new MissingParameterValueException($"ConnectionStrings:{name} is not configured."),
            secret: true);
        return builder.AddConnectionString(name, ReferenceExpression.Create($"{parameter}"));
    }
}
