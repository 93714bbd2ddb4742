using System.Globalization;
using System.Net;
using System.Text.Json;
using Seckill.LocalServers;
using Seckill.Tests.LocalServers;

namespace Seckill.Tests.LocalAppHost;

/// <summary>What a newcomer's one command starts, and that nothing of it stays.</summary>
public sealed class LocalAppHostTests(ITestOutputHelper output) : IDisposable
{
    private static readonly string[] Resources = ["apphost", "redis", "rabbitmq", "mysql", "order-worker", "api", "console"];

    private static readonly string[] PortOptions = ["Api", "Console", "OrderWorker", "Redis", "RabbitMq", "MySql"];

    private readonly string _state = Directory.CreateTempSubdirectory("seckill-state-").FullName;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_state, recursive: true);

    [Fact]
    public async Task Comes_up_healthy_and_a_signal_stops_all_of_it()
    {
        await using var appHost = RunningAppHost.Start(_state, Ports());
        var up = await appHost.WaitUntilUpAsync(Cancelled);
        Assert.Equal(Resources.Order(), Processes(up).Keys.Order());
        output.WriteLine(up.GetProperty("versions").ToString());
        using (var http = new HttpClient())
        {
            foreach (var resource in new[] { "api", "console", "orderWorker" })
            {
                using var health = await http.GetAsync($"{up.GetProperty(resource)}/health", Cancelled);
                Assert.Equal(HttpStatusCode.OK, health.StatusCode);
            }
        }

        await using var second = RunningAppHost.Start(_state, Ports());
        Assert.Equal(1, await second.WaitForExitAsync(Cancelled));
        Assert.Contains("already running in this checkout", second.Output, StringComparison.Ordinal);

        appHost.Signal("INT");
        Assert.Equal(0, await appHost.WaitForExitAsync(Cancelled));
        Assert.False(File.Exists(appHost.AddressFile));
        AssertNothingIsLeft(up);
    }

    [Fact]
    public async Task A_killed_AppHost_takes_everything_with_it_and_the_next_one_starts_on_its_data()
    {
        await using (var appHost = RunningAppHost.Start(_state, Ports()))
        {
            var up = await appHost.WaitUntilUpAsync(Cancelled);
            Assert.NotEmpty(LocalServers.Processes.Mentioning(_state));
            appHost.Signal("KILL");
            await appHost.WaitForExitAsync(Cancelled);
            await Deadline.UntilAsync(() => Task.FromResult(Left(up)), left => left.Count == 0, Cancelled);
        }

        await using var next = RunningAppHost.Start(_state, Ports());
        var again = await next.WaitUntilUpAsync(Cancelled);
        next.Signal("TERM");
        Assert.Equal(0, await next.WaitForExitAsync(Cancelled));
        AssertNothingIsLeft(again);
    }

    [Fact]
    public async Task A_resource_that_ends_is_named_and_ends_the_whole()
    {
        await using var appHost = RunningAppHost.Start(_state, Ports());
        var up = await appHost.WaitUntilUpAsync(Cancelled);
        using (var kill = System.Diagnostics.Process.Start("kill", ["-KILL", $"{Processes(up)["rabbitmq"]}"]))
        {
            await kill.WaitForExitAsync(Cancelled);
        }

        Assert.Equal(1, await appHost.WaitForExitAsync(Cancelled));
        Assert.Contains("rabbitmq ended with exit code 137; stopping everything", appHost.Output, StringComparison.Ordinal);
        AssertNothingIsLeft(up);
    }

    [Fact]
    public async Task A_wrong_option_is_refused_before_anything_starts()
    {
        await using var appHost = RunningAppHost.Start(_state, "--Local:ApiPort=70000");
        Assert.Equal(2, await appHost.WaitForExitAsync(Cancelled));
        Assert.Contains("ApiPort", appHost.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_state));
    }

    private static string[] Ports() =>
    [
        .. PortOptions.Select(name => string.Create(CultureInfo.InvariantCulture, $"--Local:{name}Port={LoopbackPorts.Take()}")),
    ];

    private static Dictionary<string, int> Processes(JsonElement up) =>
        up.GetProperty("processes").EnumerateObject().ToDictionary(process => process.Name, process => process.Value.GetInt32());

    private void AssertNothingIsLeft(JsonElement up) => Assert.Empty(Left(up));

    private List<int> Left(JsonElement up) =>
        [.. Processes(up).Values.Where(LocalServers.Processes.Exists), .. LocalServers.Processes.Mentioning(_state)];
}
