using System.Globalization;
using Microsoft.Playwright;
using RabbitMQ.Client;
using Seckill.Ordering.Ledger;
using static Microsoft.Playwright.Assertions;

namespace Seckill.Tests.Browser;

/// <summary>An operator's actions in the console take effect in the system and are audited.</summary>
[Collection(nameof(ConsoleFloor))]
public sealed class ConsoleActTests(ConsoleFloor floor)
{
    private const long Operator = 4_711;

    /// <summary>All but the confirm, whose time is not recorded if the outcome overtakes it.</summary>
    private static readonly string[] StoredHops = ["clicked", "reserved", "picked up", "committed", "told"];

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_sale_is_made_changed_paused_resumed_and_gets_more_units()
    {
        var title = $"Lamp {Guid.NewGuid():N}"[..20];
        await using var console = await floor.EnterAsync(userId: Operator);
        await console.OpenAsync("/sales", "Sales");
        var skuId = await CreateAsync(console, title);
        using var shop = floor.System.Client();
        await shop.WaitUntilOnSaleAsync(skuId, _cancellation);
        var buyer = await shop.LogInAsync(60_001, _cancellation);
        Assert.Null((await shop.BuyAsync(buyer, skuId, _cancellation)).Error);

        await console.Button($"Pause {skuId}").ClickAsync();
        await console.ExpectSaidAsync($"{skuId} is paused.");
        Assert.Equal("paused", (await shop.BuyAsync(buyer, skuId, _cancellation)).Error);
        await console.Button($"Resume {skuId}").ClickAsync();
        await console.ExpectSaidAsync($"{skuId} is on sale again.");
        Assert.Null((await shop.BuyAsync(buyer, skuId, _cancellation)).Error);

        await console.OpenDialogAsync($"Edit sale {skuId}");
        await console.Page.FillAsync("#sale-limit", "1");
        await console.DialogButton("Save").ClickAsync();
        await console.ExpectSaidAsync($"Sale {skuId} was changed.");
        Assert.Equal(1, await floor.System.CountAsync($"SELECT limit_per_user FROM seckill_sales WHERE sku_id = {skuId}", _cancellation));

        await console.OpenDialogAsync($"Add stock to {skuId}");
        await console.Page.FillAsync("#stock-add", "25");
        await console.DialogButton("Add").ClickAsync();
        await console.ExpectSaidAsync($"25 units were added to {skuId}.");
        await Expect(Row(console, skuId).Locator("[data-cell=units]")).ToHaveTextAsync("65");
        Assert.Equal(65, await floor.System.CountAsync($"SELECT units FROM seckill_sales WHERE sku_id = {skuId}", _cancellation));
        Assert.Equal(
            "sale.create, sale.pause, sale.resume, sale.edit, sale.add-stock", await ActionsOnAsync($"sku {skuId}"));
    }

    [Fact]
    public async Task Stock_that_another_operator_was_faster_to_add_is_not_added_twice()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation, units: 10);
        await using var console = await floor.EnterAsync(userId: Operator);
        await console.OpenAsync("/sales", "Sales");
        await console.OpenDialogAsync($"Add stock to {skuId}");
        using var api = floor.System.Client();
        var other = await api.PostAsync(
            $"/api/ops/sales/{skuId}/stock", """{"add":5,"units_before":10}""", _cancellation,
            await api.LogInAsync(8, _cancellation, "operator"));
        Assert.Null(other.Error);

        await console.Page.FillAsync("#stock-add", "5");
        await console.DialogButton("Add").ClickAsync();
        await Expect(console.Dialog).ToContainTextAsync("units are 15 now");
        Assert.Equal(15, await floor.System.CountAsync($"SELECT units FROM seckill_sales WHERE sku_id = {skuId}", _cancellation));
    }

    [Fact]
    public async Task A_counter_that_is_off_is_planned_for_and_repaired()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation, units: 10);
        var redis = floor.System.RedisConnection.GetDatabase();
        await redis.StringIncrementAsync($"stock:sku:{skuId}", 5);
        await using var console = await floor.EnterAsync(userId: Operator);
        await console.OpenAsync("/repair", "Repair");
        await Expect(console.Page.Locator($"tr[data-sku='{skuId}']")).ToContainTextAsync("a repair is due");
        await Expect(console.Button("Apply")).ToBeDisabledAsync();

        await console.Button("Make a plan").ClickAsync();
        await Expect(console.Page.Locator("[data-repair=planned]"))
            .ToContainTextAsync($"sku {skuId}: load: False, reload for a difference of: 5");
        Assert.Equal(15, (long)await redis.StringGetAsync($"stock:sku:{skuId}"));

        await console.Button("Apply").ClickAsync();
        await console.ConfirmAsync("Apply");
        await Expect(console.Page.Locator("[data-repair=applied]")).ToContainTextAsync($"sku {skuId}");
        Assert.Equal(10, (long)await redis.StringGetAsync($"stock:sku:{skuId}"));
        await Expect(console.Page.Locator($"tr[data-sku='{skuId}']")).ToContainTextAsync("balanced");

        await console.OpenAsync("/audit", "Audit");
        var entry = console.Page.Locator("tr", new PageLocatorOptions { HasText = $"sku {skuId}" });
        await Expect(entry).ToContainTextAsync("reconciliation.repair");
        await Expect(entry).ToContainTextAsync($"{Operator}");
    }

    [Fact]
    public async Task Of_two_dead_letters_one_is_replayed_and_one_is_abandoned()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation, units: 10);
        foreach (var worker in floor.System.Workers.ToArray())
        {
            await floor.System.EndAsync(worker, kill: false);
        }

        string replayed, abandoned;
        try
        {
            await using var broker = await floor.System.OpenRabbitMqAsync(_cancellation);
            await using var channel = await broker.CreateChannelAsync(new CreateChannelOptions(true, true), _cancellation);
            replayed = await floor.BuyAndBuryAsync(channel, 60_101, skuId, _cancellation);
            abandoned = await floor.BuyAndBuryAsync(channel, 60_102, skuId, _cancellation);
        }
        finally
        {
            await floor.System.StartWorkerAsync(_cancellation, settings: floor.System.Patience());
        }

        await using var console = await floor.EnterAsync(userId: Operator);
        await console.OpenAsync("/dead-letters", "Dead letters");
        var (first, second) = (Letter(console, replayed), Letter(console, abandoned));
        await Expect(first).ToContainTextAsync("planted for 60101");
        await first.GetByText("View").ClickAsync();
        await Expect(console.Dialog.Locator(".letter-body")).ToContainTextAsync(replayed);
        await console.ExpectAccessibleAsync();
        await console.DialogButton("Close").ClickAsync();

        await first.GetByText("Replay").ClickAsync();
        await console.ExpectSaidAsync("The letter is in the order queue again.");
        await Expect(first).ToHaveCountAsync(0);
        await second.GetByText("Abandon").ClickAsync();
        await console.ConfirmAsync("Abandon");
        await console.ExpectSaidAsync($"Order {abandoned} has failed");
        await Expect(second).ToHaveCountAsync(0);

        using var shop = floor.System.Client();
        Assert.Equal(
            "SUCCESS", (await shop.OutcomeAsync(await shop.LogInAsync(60_101, _cancellation), skuId, _cancellation)).Text("status"));
        Assert.Equal(
            "FAILED", (await shop.OutcomeAsync(await shop.LogInAsync(60_102, _cancellation), skuId, _cancellation)).Text("status"));
        Assert.Equal(9, (long)await floor.System.RedisConnection.GetDatabase().StringGetAsync($"stock:sku:{skuId}"));
        Assert.Equal(9, await floor.System.CountAsync($"SELECT stock FROM product_skus WHERE id = {skuId}", _cancellation));
    }

    [Fact]
    public async Task An_order_is_found_by_its_number_its_buyer_and_its_click_with_its_way()
    {
        var skuId = await floor.PutOnSaleAsync(_cancellation);
        var click = $"front-{Guid.NewGuid():N}";
        using var shop = floor.System.Client();
        var buyer = await shop.LogInAsync(60_201, _cancellation);
        await shop.BuyAsync(buyer, skuId, _cancellation, clientOrderNo: click);
        var number = (await shop.OutcomeAsync(buyer, skuId, _cancellation, click)).Text("order_sn")!;
        await using var console = await floor.EnterAsync(userId: Operator);
        await console.OpenAsync("/orders", "Orders");
        foreach (var query in new[] { number, "60201", click, $"60201:{click}" })
        {
            await console.Page.FillAsync("#order-query", query);
            await console.Button("Find").ClickAsync();
            await Expect(console.Page).ToHaveURLAsync($"{floor.Url}/orders?q={Uri.EscapeDataString(query)}");
            var order = console.Page.Locator($"[data-order='{number}']");
            await Expect(order).ToContainTextAsync(click);
            await Expect(order).ToContainTextAsync("SUCCESS");
        }

        // Settling follows the commit: the last hop may come a moment later.
        foreach (var hop in StoredHops)
        {
            await Deadline.UntilAsync(
                async () =>
                {
                    await console.Button("Find").ClickAsync();
                    return await console.Page.Locator($".timeline li[data-hop='{hop}']").InnerTextAsync();
                },
                text => text.Contains(':', StringComparison.Ordinal), _cancellation);
        }

        await Expect(console.Page.Locator(".timeline li[data-hop='confirmed']")).ToBeVisibleAsync();
        var trace = console.Page.Locator("a[data-trace]");
        var traceId = await trace.InnerTextAsync();
        Assert.Equal(32, traceId.Length);
        await Expect(trace)
            .ToHaveAttributeAsync("href", ConsoleFloor.TraceTemplate.Replace("{trace_id}", traceId, StringComparison.Ordinal));
        await console.ExpectAccessibleAsync();

        await console.Page.FillAsync("#order-query", "no-such-click");
        await console.Button("Find").ClickAsync();
        var said = console.Page.Locator("main [role=status]");
        await Expect(said).ToContainTextAsync("No order matches no-such-click.");

        // What was found for one query is not shown for the next.
        var api = Assert.Single(floor.System.Apis);
        api.Pause();
        try
        {
            await console.Page.FillAsync("#order-query", "another-click");
            await console.Button("Find").ClickAsync();
            await Expect(console.Page).ToHaveURLAsync($"{floor.Url}/orders?q=another-click");
            await Expect(said).ToHaveCountAsync(0);
        }
        finally
        {
            api.Continue();
        }

        await Expect(said).ToContainTextAsync("No order matches another-click.");
    }

    [Fact]
    public async Task A_sale_that_Redis_cannot_read_is_reported_by_the_search_and_in_the_books()
    {
        var sku = new SkuKeys(await floor.PutOnSaleAsync(_cancellation));
        var redis = floor.System.RedisConnection.GetDatabase();
        await using var console = await floor.EnterAsync(userId: Operator);
        try
        {
            // The search reads the one, the books the other.
            await redis.StringSetAsync(sku.Orders, "theirs");
            await redis.StringSetAsync(sku.Outbox, "theirs");
            await console.OpenAsync("/orders?q=60301", "Orders");
            await Expect(console.Page.Locator("main .mud-alert")).ToContainTextAsync("Redis was not searched for 1 SKU:");
            await Expect(console.Page.Locator("main p[role=status]")).ToHaveTextAsync("No order was found for 60301.");
            await console.ExpectAccessibleAsync();
            await console.OpenAsync("/repair", "Repair");
            await Expect(console.Page.Locator($"tr[data-sku='{sku.SkuId}']")).ToContainTextAsync("cannot be compared: ");
        }
        finally
        {
            await redis.KeyDeleteAsync([sku.Orders, sku.Outbox]);
        }
    }

    private static async Task<long> CreateAsync(ConsolePage console, string title)
    {
        await console.OpenDialogAsync("New sale");
        await console.Page.FillAsync("#sale-title", title);
        await console.Page.FillAsync("#sale-units", "40");
        await console.Page.FillAsync("#sale-limit", "3");
        await console.Page.FillAsync("#sale-price", "12.50");
        // An end before the start is refused with the Api's own message, and the input is kept.
        var starts = await console.Page.InputValueAsync("#sale-starts");
        var year = int.Parse(starts[..4], CultureInfo.InvariantCulture);
        await console.Page.FillAsync("#sale-ends", $"{year - 1}{starts[4..]}");
        await console.DialogButton("Create").ClickAsync();
        await Expect(console.Dialog.Locator(".mud-alert")).ToContainTextAsync("ends_at_ms");
        await console.Page.FillAsync("#sale-starts", $"{year - 1}{starts[4..]}");
        await console.Page.FillAsync("#sale-ends", $"{year + 1}{starts[4..]}");
        await console.DialogButton("Create").ClickAsync();
        await Expect(console.Dialog).ToHaveCountAsync(0);
        await console.ExpectSaidAsync("was created.");
        await console.Page.FillAsync("input[type=search]", title);
        var row = console.Page.Locator("tr", new PageLocatorOptions { HasText = title });
        await Expect(row).ToContainTextAsync("¥12.50");
        await Expect(row.Locator("[data-cell=units]")).ToHaveTextAsync("40");
        return long.Parse(await row.Locator("[data-sku]").InnerTextAsync(), CultureInfo.InvariantCulture);
    }

    private static ILocator Row(ConsolePage console, long skuId) =>
        console.Page.Locator("tr", new PageLocatorOptions { Has = console.Page.Locator($"[data-sku='{skuId}']") });

    private static ILocator Letter(ConsolePage console, string orderId) =>
        console.Page.Locator("tr[data-letter]", new PageLocatorOptions { HasText = orderId });

    /// <summary>The audited actions of this operator on a target, in order.</summary>
    private async Task<string> ActionsOnAsync(string target)
    {
        using var api = floor.System.Client();
        var audit = await api.GetAsync("/api/ops/audit?take=500", _cancellation, await api.LogInAsync(8, _cancellation, "operator"));
        return string.Join(", ", audit.Body.GetProperty("items").EnumerateArray()
            .Where(item => item.GetProperty("target").GetString() == target && item.GetProperty("operator").GetString() == $"{Operator}")
            .Select(item => item.GetProperty("action").GetString())
            .Reverse());
    }
}
