using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace Seckill.Tests.AppModel;

public sealed class RunModelTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Servers_are_the_official_images()
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(Token);

        Assert.Equal("docker.io/library/redis:8.6", ImageOf(appHost["redis"]));
        Assert.Equal("docker.io/library/rabbitmq:4.3-management", ImageOf(appHost["rabbitmq"]));
        Assert.Equal("docker.io/library/mysql:9.7", ImageOf(appHost["mysql"]));
    }

    [Fact]
    public async Task Connection_names_are_those_that_services_read()
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(Token);

        Assert.All(["redis", "rabbitmq", "mysql"], name => Assert.IsType<IResourceWithConnectionString>(appHost[name], exactMatch: false));
        var mySql = ((IResourceWithConnectionString)appHost["mysql"]).ConnectionStringExpression.ValueExpression;
        Assert.EndsWith(";Password={mysql-password.value};Database=seckill", mySql);
    }

    [Fact]
    public async Task Redis_appends_to_a_log_and_evicts_nothing()
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(Token);

        var command = await appHost.CommandLineOfAsync("redis", Token);

        Assert.StartsWith("redis-server ", command);
        Assert.Contains("--appendonly yes --appendfsync everysec --maxmemory-policy noeviction", command);
    }

    [Theory]
    [InlineData("redis", "/data")]
    [InlineData("rabbitmq", "/var/lib/rabbitmq")]
    [InlineData("mysql", "/var/lib/mysql")]
    public async Task Servers_keep_their_data_in_a_volume(string name, string folder)
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(Token);

        var mount = Assert.Single(appHost[name].Annotations.OfType<ContainerMountAnnotation>());

        Assert.Equal((ContainerMountType.Volume, folder, false), (mount.Type, mount.Target, mount.IsReadOnly));
    }

    [Fact]
    public async Task The_worker_waits_for_healthy_servers_and_the_api_also_for_the_migrated_database()
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(Token);

        Assert.Equal(["mysql", "rabbitmq", "redis"], WaitsOf(appHost["order-worker"]));
        Assert.Equal(["mysql", "order-worker", "rabbitmq", "redis"], WaitsOf(appHost["api"]));
        Assert.Equal(["api", "redis"], WaitsOf(appHost["console"]));
    }

    [Fact]
    public async Task Every_resource_that_is_waited_for_has_a_health_check()
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(Token);

        var checks = appHost.Resources.ToDictionary(
            resource => resource.Name,
            resource => resource.Annotations.OfType<HealthCheckAnnotation>().Select(check => check.Key).ToArray());

        Assert.All(["redis", "rabbitmq", "mysql"], name => Assert.Equal([$"{name}_check"], checks[name]));
        Assert.All(["api", "console", "order-worker"], name => Assert.Equal(
            [$"{name}_http_/health_200_check", $"{name}_http_/alive_200_check"], checks[name]));
        Assert.NotNull(appHost.CreateHealthCheckService());
    }

    [Fact]
    public async Task Only_the_api_and_the_console_are_reachable_from_outside()
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(Token);

        var external = appHost.Resources
            .SelectMany(resource => resource.Annotations.OfType<EndpointAnnotation>().Where(endpoint => endpoint.IsExternal)
                .Select(endpoint => (resource.Name, Endpoint: endpoint.Name)));

        Assert.Equal([("api", "http"), ("console", "http")], external);
    }

    [Theory]
    [InlineData("--Api:Replicas=3", 3)]
    [InlineData("--Api:Replicas=1", 1)]
    public async Task Replicas_of_the_api_come_from_the_configuration(string argument, int replicas)
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(Token, argument);

        Assert.Equal(replicas, appHost["api"].GetReplicaCount());
        Assert.Equal(1, appHost["order-worker"].GetReplicaCount());
    }

    [Theory]
    [InlineData("0")]
    [InlineData("65")]
    [InlineData("two")]
    [InlineData("99999999999")]
    public async Task Replicas_that_are_no_number_or_out_of_range_are_refused(string replicas)
    {
        var error = await Assert.ThrowsAsync<DistributedApplicationException>(
            () => BuiltAppHost.ForRunAsync(Token, $"--Api:Replicas={replicas}"));

        Assert.Equal($"Api:Replicas must be 1 to 64, not '{replicas}'.", error.Message);
    }

    [Fact]
    public async Task The_dashboard_offers_the_warm_up()
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(Token);

        var command = Assert.Single(appHost["api"].Annotations.OfType<ResourceCommandAnnotation>(), command => command.Name == "warm-up");

        Assert.Equal("Warm up", command.DisplayName);
        Assert.True(command.IsHighlighted);
    }

    [Fact]
    public async Task Secrets_are_secret_and_generated()
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(Token);

        foreach (var name in new[] { "auth-signing-key", "ops-key" })
        {
            var parameter = Assert.IsType<ParameterResource>(appHost[name]);
            Assert.True(parameter.Secret);
            var value = await parameter.GetValueAsync(Token);
            Assert.True(value?.Length >= 32, $"{name} is too short to be a key");
        }
    }

    private static string ImageOf(IResource resource) =>
        resource.TryGetContainerImageName(out var name)
            ? name
            : throw new InvalidOperationException($"{resource.Name} is not a container.");

    private static string[] WaitsOf(IResource resource) =>
        [.. resource.Annotations.OfType<WaitAnnotation>()
            .Where(wait => wait.WaitType == WaitType.WaitUntilHealthy)
            .Select(wait => wait.Resource.Name)
            .Distinct()
            .Order(StringComparer.Ordinal)];
}
