using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using MySqlConnector;

namespace Seckill.AppHost.Servers;

/// <summary>MySQL in a container, with one database.</summary>
internal sealed class MySqlResource(string name, string database, ParameterResource password)
    : ContainerResource(name), IResourceWithConnectionString
{
    public EndpointReference Endpoint => new(this, "tcp");

    public ReferenceExpression ConnectionStringExpression => ReferenceExpression.Create(
        $"Server={Endpoint.Property(EndpointProperty.Host)};Port={Endpoint.Property(EndpointProperty.Port)};"
            + $"User ID=root;Password={password};Database={database}");
}

internal static class MySqlResourceExtensions
{
    public static IResourceBuilder<MySqlResource> AddMySql(this IDistributedApplicationBuilder builder, string name, string database)
    {
        var password = ParameterResourceBuilderExtensions.CreateDefaultPasswordParameter(builder, $"{name}-password");
        return builder.AddResource(new MySqlResource(name, database, password))
            .WithImage("library/mysql", "9.7")
            .WithImageRegistry("docker.io")
            .WithEndpoint(targetPort: 3306, name: "tcp")
            .WithEnvironment("MYSQL_ROOT_PASSWORD", ReferenceExpression.Create($"{password}"))
            .WithEnvironment("MYSQL_DATABASE", database)
            .WithConnectionCheck(OpenAsync);
    }

    private static async Task OpenAsync(string connectionString, CancellationToken cancellationToken)
    {
        await using var connection = new MySqlConnection(connectionString + ";Pooling=False");
        await connection.OpenAsync(cancellationToken);
    }

    /// <summary>The resource is healthy while the check passes.</summary>
    public static IResourceBuilder<T> WithConnectionCheck<T>(this IResourceBuilder<T> resource, Func<string, CancellationToken, Task> check)
        where T : IResourceWithConnectionString
    {
        var key = $"{resource.Resource.Name}_check";
        resource.ApplicationBuilder.Services.AddHealthChecks().AddAsyncCheck(key, async cancellationToken =>
        {
            var connectionString = await resource.Resource.GetConnectionStringAsync(cancellationToken);
            await check(connectionString!, cancellationToken);
            return HealthCheckResult.Healthy();
        });
        return resource.WithHealthCheck(key);
    }
}
