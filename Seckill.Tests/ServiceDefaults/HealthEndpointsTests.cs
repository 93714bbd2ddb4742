using System.Net;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Seckill.Tests.ServiceDefaults;

[Trait("Category", "Quick")]
public sealed class HealthEndpointsTests
{
    private int _checks;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Production", HealthStatus.Healthy, HttpStatusCode.OK)]
    [InlineData("Production", HealthStatus.Degraded, HttpStatusCode.OK)]
    [InlineData("Production", HealthStatus.Unhealthy, HttpStatusCode.ServiceUnavailable)]
    public async Task Production_says_one_word(string environment, HealthStatus status, HttpStatusCode code)
    {
        await using var app = await StartAsync(environment, () => new HealthCheckResult(status, "a secret detail"));
        using var client = ClientOf(app);

        using var response = await client.GetAsync("/health", Token);

        Assert.Equal(code, response.StatusCode);
        Assert.Equal(status.ToString(), await response.Content.ReadAsStringAsync(Token));
    }

    [Fact]
    public async Task Development_says_which_check_failed()
    {
        await using var app = await StartAsync("Development", () => HealthCheckResult.Unhealthy("the reason"));
        using var client = ClientOf(app);

        using var response = await client.GetAsync("/health", Token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Contains("the reason", await response.Content.ReadAsStringAsync(Token));
    }

    [Fact]
    public async Task A_process_whose_servers_are_away_is_alive()
    {
        await using var app = await StartAsync("Production", () => HealthCheckResult.Unhealthy());
        using var client = ClientOf(app);

        Assert.Equal("Healthy", await client.GetStringAsync("/alive", Token));
    }

    [Theory]
    [InlineData(HealthStatus.Healthy)]
    [InlineData(HealthStatus.Unhealthy)]
    public async Task A_flood_of_probes_asks_the_servers_hardly_more_than_once_a_second(HealthStatus status)
    {
        await using var app = await StartAsync("Production", () => new HealthCheckResult(status));
        using var client = ClientOf(app);
        var before = _checks;
        var started = TimeProvider.System.GetTimestamp();

        await Task.WhenAll(Enumerable.Range(0, 200).Select(async number =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"/health?{number}");
            request.Headers.Host = $"host{number}";
            using var response = await client.SendAsync(request, Token);
        }));

        var seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        // A few more than one a second: probes that arrive while the first answer is being made may each run the checks.
        Assert.InRange(_checks - before, 0, 5 * ((int)seconds + 1));
    }

    [Fact]
    public async Task Probes_need_no_login_where_everything_else_does()
    {
        await using var app = await StartAsync("Production", () => HealthCheckResult.Healthy());
        using var client = ClientOf(app);

        using var other = await client.GetAsync("/other", Token);
        using var probe = await client.GetAsync("/health", Token);

        Assert.NotEqual(HttpStatusCode.OK, other.StatusCode);
        Assert.Equal(HttpStatusCode.OK, probe.StatusCode);
    }

    [Fact]
    public async Task A_check_that_hangs_is_given_up_and_delays_no_probe()
    {
        var hung = new TaskCompletionSource<HealthCheckResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var app = await StartAsync(
            "Development", () => HealthCheckResult.Healthy(),
            health => health.AddAsyncCheck("hangs", () => hung.Task)
                .AddAsyncCheck("hangs for long", () => hung.Task, timeout: TimeSpan.FromMinutes(10)));
        using var client = ClientOf(app);

        // A hanging check has no result yet: the probe is answered anyway.
        Assert.Contains("not checked yet", await DetailsAsync(client));
        await Deadline.UntilAsync(
            () => DetailsAsync(client), details => details.Contains("no answer within", StringComparison.Ordinal), Token);
        hung.SetResult(HealthCheckResult.Healthy());
        await Deadline.UntilAsync(
            async () => (await client.GetAsync("/health", Token)).StatusCode, code => code == HttpStatusCode.OK, Token);
    }

    [Fact]
    public async Task A_prober_that_hangs_up_takes_no_answer_from_others()
    {
        await using var app = await StartAsync("Production", () => HealthCheckResult.Healthy());
        using var client = ClientOf(app);

        for (var i = 0; i < 50; i++)
        {
            using var impatient = new CancellationTokenSource();
            var cancelled = client.GetAsync("/health", impatient.Token);
            await impatient.CancelAsync();
            using var other = await client.GetAsync("/health", Token);
            Assert.NotEqual(HttpStatusCode.InternalServerError, other.StatusCode);
            await EndedAsync(cancelled);
        }
    }

    [Fact]
    public async Task A_process_that_stops_is_unready_while_it_still_serves()
    {
        await using var app = await StartAsync("Production", () => HealthCheckResult.Healthy(), serveForMs: 60_000);
        using var client = ClientOf(app);
        Assert.Equal("Started", await client.GetStringAsync("/started", Token));
        using var impatience = new CancellationTokenSource();

        app.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        var stopping = app.StopAsync(impatience.Token);
        using var ready = await client.GetAsync("/health", Token);
        using var alive = await client.GetAsync("/alive", Token);
        using var other = await client.GetAsync("/other", Token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Equal(HttpStatusCode.OK, alive.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, other.StatusCode);
        await impatience.CancelAsync();
        await EndedAsync(stopping);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(60_000)]
    public async Task The_stop_keeps_its_own_time_after_the_draining(int serveForMs)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = "Production" });
        builder.Configuration["Draining:ServeForMs"] = $"{serveForMs}";
        builder.AddConnectionDraining();
        await using var app = builder.Build();

        var timeout = app.Services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout;
        Assert.Equal(new HostOptions().ShutdownTimeout, timeout - TimeSpan.FromMilliseconds(serveForMs));
    }

    private static async Task EndedAsync(Task task) =>
        await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);

    private static async Task<string> DetailsAsync(HttpClient client)
    {
        using var response = await client.GetAsync("/health", Token);
        return await response.Content.ReadAsStringAsync(Token);
    }

    private async Task<WebApplication> StartAsync(
        string environment, Func<HealthCheckResult> check, Action<IHealthChecksBuilder>? more = null, int serveForMs = 0)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = environment });
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Configuration["Draining:ServeForMs"] = $"{serveForMs}";
        builder.AddServiceDefaults();
        builder.AddConnectionDraining();
        builder.Services.AddAuthentication().AddBearerToken();
        builder.Services.AddAuthorizationBuilder()
            .SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());
        var health = builder.Services.AddHealthChecks().AddCheck("server", () =>
        {
            Interlocked.Increment(ref _checks);
            return check();
        });
        more?.Invoke(health);

        var app = builder.Build();
        app.MapDefaultEndpoints();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapGet("/other", () => "other");
        await app.StartAsync(Token);
        // The probes have the first result a moment after the check has run.
        var monitor = app.Services.GetRequiredService<HealthCheckService>();
        await Deadline.UntilAsync(
            () => monitor.CheckHealthAsync(Token), report => report.Entries["server"].Description != "not checked yet", Token);
        return app;
    }

    private static HttpClient ClientOf(WebApplication app) => new() { BaseAddress = new Uri(app.Urls.First()) };
}
