using System.Text.Json;
using System.Text.RegularExpressions;
using Aspire.Hosting.ApplicationModel;

namespace Seckill.Tests.AppModel;

public sealed partial class PublishTests : IDisposable
{
    private readonly DirectoryInfo _output = Directory.CreateTempSubdirectory("seckill-publish-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("api")]
    [InlineData("order-worker")]
    public async Task Services_get_the_three_connection_strings_and_no_other_word_about_servers(string service)
    {
        await using var appHost = await BuiltAppHost.ForComposeAsync(_output.FullName, Token);

        var environment = await appHost.EnvironmentOfAsync(service, Token);

        Assert.Equal("{redis.connectionString}", environment["ConnectionStrings__redis"]);
        Assert.Equal("{rabbitmq.connectionString}", environment["ConnectionStrings__rabbitmq"]);
        Assert.Equal("{mysql.connectionString}", environment["ConnectionStrings__mysql"]);
        Assert.DoesNotContain(environment.Keys, key => ServerVariable().IsMatch(key));
    }

    [Fact]
    public async Task The_console_knows_the_api_and_redis_and_no_other_server()
    {
        await using var appHost = await BuiltAppHost.ForComposeAsync(_output.FullName, Token);

        var environment = await appHost.EnvironmentOfAsync("console", Token);

        Assert.Equal("{api.bindings.http.url}", environment["Api__Url"]);
        Assert.Equal(["ConnectionStrings__redis"], environment.Keys.Where(key => key.StartsWith("ConnectionStrings__", StringComparison.Ordinal)));
        Assert.DoesNotContain(environment.Keys, key => ServerVariable().IsMatch(key) || key == "Traces__UrlTemplate");
    }

    [Fact]
    public async Task Only_the_api_gets_the_keys_and_the_console_the_one_that_tokens_are_checked_with()
    {
        await using var appHost = await BuiltAppHost.ForComposeAsync(_output.FullName, Token);

        var api = await appHost.EnvironmentOfAsync("api", Token);
        var console = await appHost.EnvironmentOfAsync("console", Token);
        var worker = await appHost.EnvironmentOfAsync("order-worker", Token);

        Assert.Equal("{auth-signing-key.value}", console["Auth__SigningKey"]);
        Assert.DoesNotContain("Ops__Key", console.Keys);
        Assert.Equal("{auth-signing-key.value}", api["Auth__SigningKey"]);
        Assert.Equal("{ops-key.value}", api["Ops__Key"]);
        Assert.DoesNotContain(worker.Keys, key => key.StartsWith("Auth__", StringComparison.Ordinal) || key.StartsWith("Ops__", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_published_model_has_no_data_volume_of_a_run()
    {
        await using var appHost = await BuiltAppHost.ForComposeAsync(_output.FullName, Token);

        Assert.Empty(appHost.Resources.SelectMany(resource => resource.Annotations.OfType<ContainerMountAnnotation>()));
    }

    [Fact]
    public async Task A_published_redis_gets_its_options_inside_the_shell_command()
    {
        await using var appHost = await BuiltAppHost.ForComposeAsync(_output.FullName, Token);

        var command = await appHost.CommandLineOfAsync("redis", Token);

        Assert.Matches("^-c redis-server --requirepass .* --appendonly yes --appendfsync everysec --maxmemory-policy noeviction$", command);
    }

    [Fact]
    public async Task Compose_has_every_service_with_its_data_and_restarts()
    {
        await using (var appHost = await BuiltAppHost.ForComposeAsync(_output.FullName, Token))
            await appHost.PublishAsync(Token);

        var file = await File.ReadAllTextAsync(Path.Combine(_output.FullName, "docker-compose.yaml"), Token);

        Assert.Equal(["compose-dashboard", "redis", "rabbitmq", "mysql-server", "order-worker", "api", "console"], ServicesOf(file));
        Assert.Equal(7, Regex.Count(file, """^    restart: "(unless-stopped|always)"$""", RegexOptions.Multiline));
        Assert.All(["redis-data", "rabbitmq-data", "mysql-server-data"], volume => Assert.Contains($"\n  {volume}:\n", file));
        Assert.Contains("""- "${SECKILL_PORT:-8080}:${API_PORT}" """.Trim(), file);
        Assert.Contains("""- "${SECKILL_CONSOLE_PORT:-8090}:${CONSOLE_PORT}" """.Trim(), file);
        Assert.Contains("MYSQL_DATABASE: \"seckill\"", file);
    }

    [Fact]
    public async Task Compose_starts_as_many_apis_as_configured()
    {
        await using (var appHost = await BuiltAppHost.ForComposeAsync(_output.FullName, Token, "--Api:Replicas=3"))
            await appHost.PublishAsync(Token);

        var file = await File.ReadAllTextAsync(Path.Combine(_output.FullName, "docker-compose.yaml"), Token);

        Assert.Matches("(?s)\n  api:.*\n    deploy:\n      replicas: 3\n", file);
        Assert.DoesNotContain("SECKILL_PORT", file);
    }

    [Fact]
    public async Task The_manifest_that_azd_reads_has_only_resources_that_it_knows()
    {
        var path = Path.Combine(_output.FullName, "manifest.json");
        await using (var appHost = await BuiltAppHost.ForManifestAsync(path, Token))
            await appHost.PublishAsync(Token);

        using var manifest = JsonDocument.Parse(await File.ReadAllTextAsync(path, Token));
        var types = manifest.RootElement.GetProperty("resources").EnumerateObject()
            .ToDictionary(resource => resource.Name, resource => resource.Value.GetProperty("type").GetString());

        Assert.All(["redis", "rabbitmq", "mysql-server"], name => Assert.Equal("container.v0", types[name]));
        Assert.All(["api", "console", "order-worker"], name => Assert.Equal("project.v0", types[name]));
        Assert.All(types.Values, type => Assert.Contains(type, (string[])["container.v0", "project.v0", "value.v0", "parameter.v0", "annotated.string"]));
    }

    public void Dispose() => _output.Delete(recursive: true);

    private static string[] ServicesOf(string composeFile)
    {
        var services = composeFile[..composeFile.IndexOf("\nnetworks:", StringComparison.Ordinal)];
        return [.. Regex.Matches(services, "^  ([a-z-]+):$", RegexOptions.Multiline).Select(match => match.Groups[1].Value)];
    }

    [GeneratedRegex("^(REDIS|RABBITMQ|MYSQL)_")]
    private static partial Regex ServerVariable();
}
