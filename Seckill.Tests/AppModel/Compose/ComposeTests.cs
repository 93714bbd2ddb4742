using System.Text.RegularExpressions;

namespace Seckill.Tests.AppModel.Compose;

/// <summary>The files that are published for Docker Compose.</summary>
public sealed class ComposeTests : IDisposable
{
    private readonly DirectoryInfo _output = Directory.CreateTempSubdirectory("seckill-compose-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_service_is_there_and_restarts()
    {
        var file = await PublishAsync();

        Assert.Equal(["compose-dashboard", "redis", "rabbitmq", "mysql", "order-worker", "api", "console"], ServicesOf(file));
        Assert.Equal(7, Regex.Count(file, """^    restart: "(unless-stopped|always)"$""", RegexOptions.Multiline));
        Assert.Contains("""- "${SECKILL_BIND:-127.0.0.1}:${SECKILL_PORT:-8080}:${API_PORT}" """.Trim(), file);
        Assert.Contains("""- "${SECKILL_BIND:-127.0.0.1}:${SECKILL_CONSOLE_PORT:-8090}:${CONSOLE_PORT}" """.Trim(), file);
        Assert.Contains("MYSQL_DATABASE: \"seckill\"", file);
    }

    [Fact]
    public async Task The_dashboard_is_reachable_where_the_api_is()
    {
        var dashboard = ServiceOf(await PublishAsync(), "compose-dashboard");

        Assert.Contains("""- "${SECKILL_BIND:-127.0.0.1}::18888" """.Trim(), dashboard);
        Assert.DoesNotContain("\n      - \"18888\"\n", dashboard);
    }

    [Theory]
    [InlineData("api")]
    [InlineData("order-worker")]
    [InlineData("console")]
    public async Task A_service_of_ours_has_time_to_stop(string name) =>
        Assert.Contains("\n    stop_grace_period: \"40s\"\n", ServiceOf(await PublishAsync(), name));

    [Theory]
    [InlineData("redis", "/data")]
    [InlineData("rabbitmq", "/var/lib/rabbitmq")]
    [InlineData("mysql", "/var/lib/mysql")]
    public async Task A_server_keeps_its_data_in_a_named_volume_and_its_host_name(string name, string folder)
    {
        var file = await PublishAsync();

        var service = ServiceOf(file, name);
        Assert.Matches($"""(?s)volumes:\n      - type: "volume"\n        target: "{folder}"\n        source: "{name}-data"\n""", service);
        Assert.Contains($"hostname: \"{name}\"", service);
        Assert.Contains($"\n  {name}-data:\n", file[file.IndexOf("\nvolumes:", StringComparison.Ordinal)..]);
    }

    [Fact]
    public async Task Redis_gets_its_options_inside_the_shell_command()
    {
        var service = ServiceOf(await PublishAsync(), "redis");

        Assert.Matches(
            """- "-c"\n      - "redis-server .* --appendonly yes --appendfsync everysec --maxmemory-policy noeviction"\n""", service);
    }

    [Fact]
    public async Task As_many_apis_start_as_configured()
    {
        var file = await PublishAsync("--Api:Replicas=3");

        Assert.Contains("\n    deploy:\n      replicas: 3\n", ServiceOf(file, "api"));
        Assert.DoesNotContain("SECKILL_PORT", file);
        Assert.Contains("""- "${SECKILL_BIND:-127.0.0.1}::${API_PORT}" """.Trim(), file);
    }

    [Fact]
    public async Task External_servers_are_three_secrets_in_the_environment_file_and_no_service()
    {
        var file = await PublishAsync("--Servers=external");
        var environment = await File.ReadAllLinesAsync(Path.Combine(_output.FullName, ".env"), Token);

        Assert.Equal(["compose-dashboard", "order-worker", "api", "console"], ServicesOf(file));
        Assert.DoesNotContain("-data", file);
        Assert.All(["redis", "rabbitmq", "mysql"], name =>
        {
            Assert.Contains($"ConnectionStrings__{name}: \"${{{name.ToUpperInvariant()}_CONNECTION_STRING}}\"", ServiceOf(file, "api"));
            Assert.Contains($"{name.ToUpperInvariant()}_CONNECTION_STRING=", environment);
        });
    }

    public void Dispose() => _output.Delete(recursive: true);

    private async Task<string> PublishAsync(params string[] args)
    {
        await using (var appHost = await BuiltAppHost.ForPublishAsync(_output.FullName, Token, ["--step", "publish", .. args]))
        {
            await appHost.PublishAsync(Token);
        }

        return (await File.ReadAllTextAsync(Path.Combine(_output.FullName, "docker-compose.yaml"), Token)).ReplaceLineEndings("\n");
    }

    private static string[] ServicesOf(string file) =>
        [.. Regex.Matches(file[..file.IndexOf("\nnetworks:", StringComparison.Ordinal)], "^  ([a-z-]+):$", RegexOptions.Multiline)
            .Select(match => match.Groups[1].Value)];

    private static string ServiceOf(string file, string name) =>
        Regex.Match(file, $"(?sm)^  {name}:$.*?(?=^  ?[a-z])").Value;
}
