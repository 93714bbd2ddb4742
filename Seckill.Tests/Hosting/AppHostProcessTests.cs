using System.Diagnostics;
using System.Net;
using System.Text.Json;

namespace Seckill.Tests.Hosting;

/// <summary>The AppHost as one command: it starts everything, and leaves nothing behind.</summary>
public sealed class AppHostProcessTests(ITestOutputHelper output) : IDisposable
{
    private static readonly string[] Resources =
        ["api", "apphost", "aspire-dashboard", "console", "mysql", "order-worker", "rabbitmq", "redis"];

    private readonly string _state = Directory.CreateTempSubdirectory("seckill state ").FullName;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_state, recursive: true);

    [Fact]
    public async Task A_killed_AppHost_takes_everything_with_it_and_the_next_one_starts_on_its_data_and_stops_at_a_signal()
    {
        await using (var appHost = RunningAppHost.Start(_state, AppHostFixture.Ports()))
        {
            var up = await appHost.WaitUntilUpAsync(Cancelled);
            Assert.Equal(Resources, Processes(up).Keys.Order(StringComparer.Ordinal));
            output.WriteLine(up.GetProperty("versions").ToString());
            await AssertAnswersAsync(up);

            await using var second = RunningAppHost.Start(_state, AppHostFixture.Ports());
            Assert.Equal(1, await second.WaitForExitAsync(Cancelled, RunningAppHost.RunTimeoutMs));
            Assert.Contains("already running in this checkout", second.Output, StringComparison.Ordinal);

            appHost.Signal("KILL");
            await appHost.WaitForExitAsync(Cancelled);
            await Deadline.UntilAsync(() => Task.FromResult(Left(up)), left => left.Count == 0, Cancelled);
        }

        await using var next = RunningAppHost.Start(_state, AppHostFixture.Ports());
        var again = await next.WaitUntilUpAsync(Cancelled);
        // It does not react, so it has to be killed; the others stop by themselves.
        RunningAppHost.Signal("STOP", Processes(again)["console"]);
        var stopping = Stopwatch.GetTimestamp();
        next.Signal("INT");
        Assert.Equal(0, await next.WaitForExitAsync(Cancelled));
        Assert.Contains("console has not stopped within", next.Output, StringComparison.Ordinal);
        Assert.Matches("console: process [0-9]+ has been killed", next.Output);
        output.WriteLine($"stopped after {Stopwatch.GetElapsedTime(stopping).TotalSeconds:F1} s");
        Assert.False(File.Exists(next.AddressFile));
        await Deadline.UntilAsync(() => Task.FromResult(Left(again)), left => left.Count == 0, Cancelled);
    }

    [Fact]
    public async Task A_signal_while_it_starts_leaves_nothing()
    {
        await using var appHost = RunningAppHost.Start(_state, AppHostFixture.Ports());
        await appHost.WaitForOutputAsync("starting redis", Cancelled);
        await Deadline.UntilAsync(
            () => Task.FromResult(Tests.LocalServers.Processes.Mentioning(_state)), started => started.Count > 1, Cancelled);

        appHost.Signal("TERM");

        await appHost.WaitForExitAsync(Cancelled);
        await Deadline.UntilAsync(
            () => Task.FromResult(Tests.LocalServers.Processes.Mentioning(_state)), left => left.Count == 0, Cancelled);
    }

    [Fact]
    public async Task A_server_that_cannot_start_is_named_with_the_end_of_its_log_and_ends_the_run()
    {
        var wrong = Path.Combine(_state, "redis-server");
        await File.WriteAllTextAsync(wrong, "#!/bin/sh\necho no memory for redis\nexit 3\n", Cancelled);
        using (var chmod = Process.Start("chmod", ["+x", wrong]))
        {
            await chmod.WaitForExitAsync(Cancelled);
        }

        await using var appHost = RunningAppHost.Start(
            _state, new Dictionary<string, string> { ["SECKILL_REDIS_SERVER"] = wrong, ["SECKILL_SERVERS_ROOT"] = "" },
            AppHostFixture.Ports());

        Assert.Equal(1, await appHost.WaitForExitAsync(Cancelled, RunningAppHost.RunTimeoutMs));

        Assert.Contains("redis could not be started; stopping everything", appHost.Output, StringComparison.Ordinal);
        Assert.Contains("no memory for redis", appHost.Output, StringComparison.Ordinal);
        await Deadline.UntilAsync(
            () => Task.FromResult(Tests.LocalServers.Processes.Mentioning(_state)), left => left.Count == 0, Cancelled);
    }

    [Theory]
    [InlineData("--Local:ApiPort=70000", "ApiPort")]
    [InlineData("--Api:Replicas=two", "Api:Replicas must be 1 to 64, not 'two'")]
    [InlineData("--Servers=clouds", "Servers must be")]
    public async Task A_wrong_option_is_refused_before_anything_starts(string option, string told)
    {
        await using var appHost = RunningAppHost.Start(_state, option);

        Assert.Equal(2, await appHost.WaitForExitAsync(Cancelled, RunningAppHost.RunTimeoutMs));

        Assert.Contains(told, appHost.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_state));
    }

    private static async Task AssertAnswersAsync(JsonElement up)
    {
        using var http = new HttpClient();
        foreach (var resource in new[] { "api", "console", "orderWorker" })
        {
            // On a busy machine, single checks may run out of time.
            await Deadline.UntilAsync(
                async () =>
                {
                    using var health = await http.GetAsync($"{up.GetProperty(resource)}/health", Cancelled);
                    return health.StatusCode;
                }, status => status == HttpStatusCode.OK, Cancelled);
        }

        using var dashboard = await http.GetAsync(up.GetProperty("dashboard").GetString(), Cancelled);
        Assert.Equal(HttpStatusCode.OK, dashboard.StatusCode);
    }

    private static Dictionary<string, int> Processes(JsonElement up) =>
        up.GetProperty("processes").EnumerateObject().ToDictionary(process => process.Name, process => process.Value.GetInt32());

    private List<int> Left(JsonElement up) =>
        [.. Processes(up).Values.Where(Tests.LocalServers.Processes.Exists), .. Tests.LocalServers.Processes.Mentioning(_state)];
}
