using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace Seckill.Tests.AppModel;

/// <summary>External servers, by connection string.</summary>
public sealed class ExternalServersTests : IDisposable
{
    private const string Redis = "redis-a.test:6380,redis-b.test:6380,ssl=true,password=secret";
    private const string RabbitMQ = "amqps://shop:secret@rabbitmq.test:5671/seckill";
    private const string MySql = "Server=mysql-a.test,mysql-b.test;SslMode=VerifyFull;User ID=shop;Password=secret;Database=seckill";

    private static readonly string[] Servers = ["redis", "rabbitmq", "mysql"];

    private readonly DirectoryInfo _output = Directory.CreateTempSubdirectory("seckill-external-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_uses_the_connection_strings_as_they_are()
    {
        await using var appHost = await BuiltAppHost.ForRunAsync(
            Token,
            "--Servers=external",
            $"--ConnectionStrings:redis={Redis}",
            $"--ConnectionStrings:rabbitmq={RabbitMQ}",
            $"--ConnectionStrings:mysql={MySql}");

        var connectionStrings = new List<string?>();
        foreach (var name in Servers)
        {
            connectionStrings.Add(await ((IResourceWithConnectionString)appHost[name]).GetConnectionStringAsync(Token));
        }

        Assert.Equal([Redis, RabbitMQ, MySql], connectionStrings);
        Assert.Empty(appHost.Resources.OfType<ContainerResource>());
    }

    [Fact]
    public async Task A_run_without_a_connection_string_is_refused_and_names_each_that_is_missing()
    {
        var error = await Assert.ThrowsAsync<DistributedApplicationException>(
            () => BuiltAppHost.ForRunAsync(Token, "--Servers=external", $"--ConnectionStrings:rabbitmq={RabbitMQ}"));

        Assert.Equal("Servers is external, and these are not configured: ConnectionStrings:redis, ConnectionStrings:mysql.", error.Message);
    }

    [Fact]
    public async Task A_deployment_asks_for_them_as_secrets()
    {
        await using var appHost = await BuiltAppHost.ForPublishAsync(_output.FullName, Token, "--Servers=external");

        var environment = await appHost.EnvironmentOfAsync("api", Token);

        Assert.All(Servers, name =>
        {
            Assert.Equal($"{{{name}.connectionString}}", environment[$"ConnectionStrings__{name}"]);
            Assert.Equal(
                $"{{{name}-connection-string.value}}",
                ((IResourceWithConnectionString)appHost[name]).ConnectionStringExpression.ValueExpression);
            Assert.True(Assert.IsType<ParameterResource>(appHost[$"{name}-connection-string"]).Secret);
        });
        Assert.DoesNotContain(appHost.Resources.OfType<ContainerResource>(), container => Servers.Contains(container.Name));
    }

    [Fact]
    public async Task Servers_of_this_machine_are_not_published()
    {
        var error = await Assert.ThrowsAsync<DistributedApplicationException>(
            () => BuiltAppHost.ForPublishAsync(_output.FullName, Token, "--Servers=local"));

        Assert.Contains("cannot be published", error.Message);
    }

    [Fact]
    public async Task An_unknown_word_is_refused()
    {
        var error = await Assert.ThrowsAsync<DistributedApplicationException>(() => BuiltAppHost.ForRunAsync(Token, "--Servers=cloud"));

        Assert.Equal("Servers must be containers, local or external, not cloud.", error.Message);
    }

    public void Dispose() => _output.Delete(recursive: true);
}
