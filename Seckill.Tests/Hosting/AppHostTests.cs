using System.Net;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;
using Seckill.AppHost.Commands;
using Seckill.AppHost.Running;
using Seckill.Tests.Browser;

namespace Seckill.Tests.Hosting;

/// <summary>The application of <c>dotnet run --project Seckill.AppHost</c>, and its dashboard.</summary>
[Collection(nameof(AppHostFixture))]
public sealed class AppHostTests(AppHostFixture appHost, TestBrowser browser)
{
    private const long Sku = 1003;

    private static long _lastUser = 610_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Everything_is_there_under_its_name_and_a_server_is_a_resource_with_a_health_check()
    {
        foreach (var name in new[] { "redis", "rabbitmq", "mysql", "order-worker", "api", "console", "aspire-dashboard" })
        {
            var state = await appHost.Notifications.WaitForResourceAsync(
                name, resource => resource.Snapshot.HealthStatus == Microsoft.Extensions.Diagnostics.HealthChecks.HealthStatus.Healthy,
                Cancelled);
            Assert.Equal(KnownResourceStates.Running, state.Snapshot.State?.Text);
        }

        Assert.StartsWith("127.0.0.1:", await appHost.Application.GetConnectionStringAsync("redis", Cancelled), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_order_is_written_and_the_dashboard_shows_its_trace_over_all_hops()
    {
        var (orderId, traceId, _) = await BuyAsync();
        Assert.NotEmpty(orderId);

        var context = await browser.NewContextAsync();
        var page = await context.NewPageAsync();
        await page.GotoAsync(appHost.DashboardLoginUrl);
        await page.GotoAsync(new Uri(new Uri(appHost.DashboardLoginUrl), $"/traces/detail/{traceId}").ToString());
        // The dashboard names a broker's spans by their destination. Later spans appear on the page by themselves.
        foreach (var span in new[] { "POST /api/seckill/orders", "reserve", "publish order", "MSG rabbitmq order.create.queue", "settle" })
        {
            await Assertions.Expect(page.GetByText(span).First).ToBeVisibleAsync();
        }

        await context.CloseAsync();
    }

    [Fact]
    public async Task A_sale_is_paused_resumed_and_stocked_by_commands()
    {
        await CommandAsync("pause-sale", ("sku-id", "1002"));
        using var client = appHost.Client();
        var token = await client.LogInAsync(Interlocked.Increment(ref _lastUser), Cancelled);
        Assert.Equal("paused", (await ClickAsync()).Error);

        await CommandAsync("resume-sale", ("sku-id", "1002"));
        Assert.Equal("queued", (await ClickAsync()).Text("message"));

        var before = await UnitsAsync(client);
        await CommandAsync("add-stock", ("sku-id", "1002"), ("units", "7"));
        // A repeated command may have been done before as well.
        var added = await UnitsAsync(client) - before;
        Assert.True(added > 0 && added % 7 == 0, $"{added} units were added.");

        var unknown = await appHost.ExecuteAsync("api", "pause-sale", Cancelled, ("sku-id", "999999"));
        Assert.False(unknown.Success);
        await CommandAsync("warm-up");

        Task<EndToEnd.ApiAnswer> ClickAsync() => Deadline.UntilAsync(
            () => client.BuyAsync(token, 1002, Cancelled, clientOrderNo: "one"), answer => answer.Error != "busy", Cancelled);
    }

    /// <summary>The state folder is not the checkout's, so the bench could not find this run by itself.</summary>
    [Fact]
    public async Task The_demonstration_gets_the_addresses_of_this_run()
    {
        var run = appHost.Application.Services.GetRequiredService<RunParts>();

        var addresses = await DemoCommand.AddressesAsync(run, Cancelled);

        Assert.Equal(appHost.Application.GetEndpoint("api", "http"), new Uri(addresses["SECKILL_API"]));
        foreach (var name in new[] { "redis", "mysql" })
        {
            Assert.Equal(await appHost.Application.GetConnectionStringAsync(name, Cancelled), addresses[$"ConnectionStrings__{name}"]);
        }

        var token = new TokenIssuer(addresses["Auth__SigningKey"]).ForOperator();
        using var client = appHost.Client();
        await Deadline.UntilAsync(
            () => client.GetAsync("/api/ops/sales", Cancelled, token), answer => answer.Status == HttpStatusCode.OK, Cancelled);
    }

    [Fact]
    public async Task A_server_that_is_stopped_says_so_and_comes_back_by_a_command_or_by_two_at_once()
    {
        var stopped = await appHost.ExecuteAsync("redis", KnownResourceCommands.StopCommand, Cancelled);
        Assert.True(stopped.Success, stopped.Message);
        await appHost.Notifications.WaitForResourceAsync("redis", KnownResourceStates.Exited, Cancelled);

        var started = await appHost.ExecuteAsync("redis", KnownResourceCommands.StartCommand, Cancelled);
        Assert.True(started.Success, started.Message);
        await appHost.Notifications.WaitForResourceHealthyAsync("redis", Cancelled);
        await appHost.Notifications.WaitForResourceHealthyAsync("api", Cancelled);

        var restarted = await Task.WhenAll(
            appHost.ExecuteAsync("redis", KnownResourceCommands.RestartCommand, Cancelled),
            appHost.ExecuteAsync("redis", KnownResourceCommands.RestartCommand, Cancelled));
        Assert.All(restarted, result => Assert.True(result.Success, result.Message));
        await appHost.Notifications.WaitForResourceHealthyAsync("redis", Cancelled);
        await appHost.Notifications.WaitForResourceHealthyAsync("api", Cancelled);
        await BuyAsync();
    }

    /// <summary>Repeats a command until it succeeds: on a busy machine the Api may need longer than a command waits.</summary>
    private Task<ExecuteCommandResult> CommandAsync(string command, params (string Name, string Value)[] arguments) => Deadline.UntilAsync(
        () => appHost.ExecuteAsync("api", command, Cancelled, arguments), result => result.Success, Cancelled);

    private async Task<(string OrderId, string TraceId, long User)> BuyAsync()
    {
        using var client = appHost.Client();
        await client.WaitUntilOnSaleAsync(Sku, Cancelled);
        var user = Interlocked.Increment(ref _lastUser);
        var token = await client.LogInAsync(user, Cancelled);
        var queued = await Deadline.UntilAsync(
            () => client.BuyAsync(token, Sku, Cancelled), answer => answer.Text("message") == "queued", Cancelled);
        var orderId = queued.Text("order_id")!;
        var outcome = await client.OutcomeAsync(token, Sku, Cancelled);
        Assert.Equal("SUCCESS", outcome.Text("status"));
        var order = await client.GetAsync($"/api/orders/{orderId}", Cancelled, token);
        return (orderId, order.Text("trace_id")!, user);
    }

    private static async Task<int> UnitsAsync(EndToEnd.ShopClient client)
    {
        var operatorToken = await client.LogInAsync(9, Cancelled, "operator");
        var sales = await Deadline.UntilAsync(
            () => client.GetAsync("/api/ops/sales", Cancelled, operatorToken), answer => answer.Status == HttpStatusCode.OK, Cancelled);
        return sales.Body.GetProperty("items").EnumerateArray().Single(sale => sale.GetProperty("sku_id").GetString() == "1002")
            .GetProperty("units").GetInt32();
    }
}
