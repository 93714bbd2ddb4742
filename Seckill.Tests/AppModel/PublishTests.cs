using System.Text.Json;
using System.Text.RegularExpressions;
using Aspire.Hosting;
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
        await using var appHost = await BuiltAppHost.ForPublishAsync(_output.FullName, Token);

        var environment = await appHost.EnvironmentOfAsync(service, Token);

        Assert.Equal("{redis.connectionString}", environment["ConnectionStrings__redis"]);
        Assert.Equal("{rabbitmq.connectionString}", environment["ConnectionStrings__rabbitmq"]);
        Assert.Equal("{mysql.connectionString}", environment["ConnectionStrings__mysql"]);
        Assert.DoesNotContain(environment.Keys, key => ServerVariable().IsMatch(key));
    }

    [Fact]
    public async Task The_console_knows_the_api_and_redis_and_no_other_server()
    {
        await using var appHost = await BuiltAppHost.ForPublishAsync(_output.FullName, Token);

        var environment = await appHost.EnvironmentOfAsync("console", Token);

        Assert.Equal("{api.bindings.http.url}", environment["Api__Url"]);
        Assert.Equal(
            ["ConnectionStrings__redis"], environment.Keys.Where(key => key.StartsWith("ConnectionStrings__", StringComparison.Ordinal)));
        Assert.DoesNotContain(environment.Keys, key => ServerVariable().IsMatch(key) || key == "Traces__UrlTemplate");
    }

    [Fact]
    public async Task Only_the_api_gets_the_keys_and_the_console_the_one_that_tokens_are_checked_with()
    {
        await using var appHost = await BuiltAppHost.ForPublishAsync(_output.FullName, Token);

        var api = await appHost.EnvironmentOfAsync("api", Token);
        var console = await appHost.EnvironmentOfAsync("console", Token);
        var worker = await appHost.EnvironmentOfAsync("order-worker", Token);

        Assert.Equal("{auth-signing-key.value}", console["Auth__SigningKey"]);
        Assert.DoesNotContain("Ops__Key", console.Keys);
        Assert.Equal("{auth-signing-key.value}", api["Auth__SigningKey"]);
        Assert.Equal("{ops-key.value}", api["Ops__Key"]);
        Assert.DoesNotContain(
            worker.Keys, key => key.StartsWith("Auth__", StringComparison.Ordinal) || key.StartsWith("Ops__", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Allowed_hosts_are_a_parameter_of_the_deployment_and_not_any_by_default()
    {
        await using var appHost = await BuiltAppHost.ForPublishAsync(_output.FullName, Token);

        Assert.Equal("{allowed-hosts.value}", (await appHost.EnvironmentOfAsync("api", Token))["AllowedHosts"]);
        Assert.Equal("{allowed-hosts.value}", (await appHost.EnvironmentOfAsync("console", Token))["AllowedHosts"]);
        var hosts = await ((ParameterResource)appHost["allowed-hosts"]).GetValueAsync(Token);
        Assert.Equal("localhost;127.0.0.1;[::1];api;console", hosts);
    }

    /// <summary>With the variable, ASP.NET takes these headers from every sender.</summary>
    [Theory]
    [InlineData("api", false)]
    [InlineData("order-worker", false)]
    [InlineData("console", true)]
    public async Task Only_the_console_which_needs_the_scheme_takes_forwarded_headers_from_everyone(string service, bool takes)
    {
        await using var appHost = await BuiltAppHost.ForPublishAsync(_output.FullName, Token);

        var environment = await appHost.EnvironmentOfAsync(service, Token);

        Assert.Equal(takes, environment.ContainsKey("ASPNETCORE_FORWARDEDHEADERS_ENABLED"));
    }

    [Fact]
    public async Task What_the_operator_says_about_the_proxy_reaches_the_api_alone()
    {
        await using var appHost = await BuiltAppHost.ForPublishAsync(
            _output.FullName, Token, "--Edge:KnownNetworks:0=10.0.0.0/8", "--Edge:HttpsRedirect=true");

        var api = await appHost.EnvironmentOfAsync("api", Token);
        var console = await appHost.EnvironmentOfAsync("console", Token);

        Assert.Equal("10.0.0.0/8", api["Edge__KnownNetworks__0"]);
        Assert.Equal("true", api["Edge__HttpsRedirect"]);
        Assert.DoesNotContain(console.Keys, key => key.StartsWith("Edge__", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_manifest_has_no_data_volume_because_a_database_on_a_file_share_fails()
    {
        await using var appHost = await BuiltAppHost.ForManifestAsync(
            Path.Combine(_output.FullName, "manifest.json"), Token, "--Servers=containers");

        Assert.NotEmpty(appHost.Resources.OfType<ContainerResource>());
        Assert.Empty(appHost.Resources.SelectMany(resource => resource.Annotations.OfType<ContainerMountAnnotation>()));
    }

    [Fact]
    public async Task A_published_redis_gets_its_options_inside_the_shell_command()
    {
        await using var appHost = await BuiltAppHost.ForPublishAsync(_output.FullName, Token);

        var command = await appHost.CommandLineOfAsync("redis", Token);

        Assert.Matches("^-c redis-server --requirepass .* --appendonly yes --appendfsync everysec --maxmemory-policy noeviction$", command);
    }

    [Fact]
    public async Task A_manifest_has_only_resources_that_azd_knows()
    {
        var types = await TypesInManifestAsync("--publisher", "manifest", "--Servers=containers");

        Assert.All(["redis", "rabbitmq", "mysql"], name => Assert.Equal("container.v0", types[name]));
        Assert.All(["api", "console", "order-worker"], name => Assert.Equal("project.v0", types[name]));
        Assert.All(types.Values, type => Assert.Contains(
            type, (string[])["container.v0", "project.v0", "value.v0", "parameter.v0", "annotated.string"]));
    }

    [Theory]
    [InlineData("--publisher", "manifest")]
    [InlineData("--operation", "publish", "--step", "publish-manifest")]
    public async Task A_manifest_takes_external_servers_unless_told_otherwise(params string[] args)
    {
        var types = await TypesInManifestAsync(args);

        Assert.All(["redis", "rabbitmq", "mysql"], name => Assert.Equal("value.v0", types[name]));
        Assert.All(["redis", "rabbitmq", "mysql"], name => Assert.Equal("parameter.v0", types[$"{name}-connection-string"]));
        Assert.DoesNotContain("container.v0", types.Values);
    }

    [Theory]
    [InlineData("publish")]
    [InlineData("deploy")]
    public async Task Without_a_target_publishing_is_refused(string step)
    {
        Assert.SkipWhen(File.Exists(Path.Combine(AppContext.BaseDirectory, "Aspire.Hosting.Docker.dll")), "Compose is a target");

        var error = await Assert.ThrowsAsync<DistributedApplicationException>(
            () => BuiltAppHost.ForPublishAsync(_output.FullName, Token, "--step", step));

        Assert.Contains("no target to publish for", error.Message);
    }

    public void Dispose() => _output.Delete(recursive: true);

    private async Task<Dictionary<string, string?>> TypesInManifestAsync(params string[] args)
    {
        var path = Path.Combine(_output.FullName, "manifest.json");
        await using (var appHost = await BuiltAppHost.BuildAsync([.. args, "--output-path", path], Token))
        {
            await appHost.PublishAsync(Token);
        }

        using var manifest = JsonDocument.Parse(await File.ReadAllTextAsync(path, Token));
        return manifest.RootElement.GetProperty("resources").EnumerateObject()
            .ToDictionary(resource => resource.Name, resource => resource.Value.GetProperty("type").GetString());
    }

    [GeneratedRegex("^(REDIS|RABBITMQ|MYSQL)_")]
    private static partial Regex ServerVariable();
}
