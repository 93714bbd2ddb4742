using Microsoft.Playwright;
using Seckill.Tests.EndToEnd;

namespace Seckill.Tests.Browser;

[CollectionDefinition(nameof(ShopFloor))]
public sealed class ShopFloorDefinition : ICollectionFixture<ShopFloor>;

/// <summary>The whole system as processes of its own, and a browser; every test puts its own SKU on sale and is a buyer of its own.</summary>
public sealed class ShopFloor(SharedServers servers) : IAsyncLifetime
{
    private static long _lastUser = 70_000;
    private static long _lastSku = 30_000;

    private readonly TestBrowser _browser = new();

    public LocalSystem System { get; private set; } = null!;

    public string Url => System.Apis[0].Url;

    public async ValueTask InitializeAsync()
    {
        await _browser.InitializeAsync();
        System = await servers.StartAsync(SharedServers.Shop, SystemUnderTest.Options(("Catalogue__RefreshEveryMs", "200")), CancellationToken.None)
            .WithApplicationsAsync(CancellationToken.None);
    }

    /// <summary>Puts a new SKU on sale and waits until the gate sells it, or until it is listed if it has not begun.</summary>
    public async Task<long> PutOnSaleAsync(CancellationToken cancellationToken, int units = 10, int limitPerUser = 1, TimeSpan? startsIn = null, TimeSpan? endsIn = null)
    {
        var skuId = Interlocked.Increment(ref _lastSku);
        await System.AddSaleAsync(skuId, units, limitPerUser, cancellationToken, startsIn, endsIn);
        using var client = System.Client();
        await client.WaitUntilOnSaleAsync(skuId, cancellationToken);
        return skuId;
    }

    /// <summary>A window of a new buyer who is logged in, at the sale list.</summary>
    public async Task<ShopPage> EnterAsync(string locale = "en-GB", int width = 1280, bool dark = false, bool loggedIn = true)
    {
        var context = await _browser.NewContextAsync(locale, width, dark);
        var buyer = Interlocked.Increment(ref _lastUser);
        if (loggedIn)
        {
            var login = await context.APIRequest.PostAsync($"{Url}/api/demo/login", new APIRequestContextOptions { DataObject = new { user_id = buyer } });
            Assert.True(login.Ok, await login.TextAsync());
        }

        var page = new ShopPage(context, await context.NewPageAsync(), Url, buyer);
        await page.OpenAsync();
        return page;
    }

    /// <summary>From now on nothing is written, until <see cref="StartWorkerAsync"/>: what is clicked stays in the queue.</summary>
    public async Task StopWorkerAsync()
    {
        await System.EndAsync(System.Workers, kill: false);
    }

    public Task StartWorkerAsync(CancellationToken cancellationToken) => System.StartWorkerAsync(cancellationToken);

    public Task<long> OrdersAsync(long skuId, CancellationToken cancellationToken) =>
        System.CountAsync($"SELECT COUNT(*) FROM order_items WHERE sku_id = {skuId}", cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await System.DisposeAsync();
        await _browser.DisposeAsync();
    }
}
