using Microsoft.Playwright;
using MySqlConnector;

namespace Seckill.Tests.Browser;

[CollectionDefinition(nameof(ShopFloor))]
public sealed class ShopFloorDefinition : ICollectionFixture<ShopFloor>;

/// <summary>The whole system as separate processes; every test has its own SKU and its own buyer.</summary>
public sealed class ShopFloor(TestBrowser browser, SharedServers servers) : IAsyncLifetime
{
    private const long FirstSku = 30_000;

    private static long _lastUser = 70_000;
    private static long _lastSku = FirstSku;

    public LocalSystem System { get; private set; } = null!;

    public string Url => System.Apis[0].Url;

    public async ValueTask InitializeAsync()
    {
        System = await servers
            .StartAsync(SharedServers.Shop, SystemUnderTest.Options(("Catalogue__RefreshEveryMs", "500")), CancellationToken.None)
            .WithApplicationsAsync(CancellationToken.None, patient: true);
    }

    /// <summary>Puts a new SKU on sale and waits until the gate sells it, or until it is listed if it has not begun.</summary>
    public async Task<long> PutOnSaleAsync(
        CancellationToken cancellationToken, int units = 10, int limitPerUser = 1, TimeSpan? startsIn = null, TimeSpan? endsIn = null)
    {
        var skuId = Interlocked.Increment(ref _lastSku);
        await System.AddSaleAsync(skuId, units, limitPerUser, cancellationToken, startsIn, endsIn);
        using var client = System.Client();
        await client.WaitUntilOnSaleAsync(skuId, cancellationToken);
        return skuId;
    }

    /// <summary>A window of a new, logged-in buyer at the sale list.</summary>
    public async Task<ShopPage> EnterAsync(string locale = "en-GB", int width = 1280, bool dark = false, bool loggedIn = true)
    {
        var context = await browser.NewContextAsync(locale, width, dark);
        var buyer = Interlocked.Increment(ref _lastUser);
        if (loggedIn)
        {
            var login = await context.APIRequest.PostAsync(
                $"{Url}/api/demo/login", new APIRequestContextOptions { DataObject = new { user_id = buyer } });
            Assert.True(login.Ok, await login.TextAsync());
        }

        var page = new ShopPage(context, await context.NewPageAsync(), Url, buyer);
        await page.OpenAsync();
        return page;
    }

    /// <summary>Nothing is written until <see cref="ContinueWorker"/>: orders stay in the queue.</summary>
    public void PauseWorker() => Assert.Single(System.Workers).Pause();

    public void ContinueWorker() => Assert.Single(System.Workers).Continue();

    /// <summary>Removes the sales of earlier tests from the page, which would become slow with their cards.</summary>
    public async Task ClearAsync(CancellationToken cancellationToken)
    {
        await using var connection = await System.OpenMySqlAsync(cancellationToken);
        await using var command = new MySqlCommand("DELETE FROM seckill_sales WHERE sku_id > @first", connection);
        command.Parameters.AddWithValue("@first", FirstSku);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public Task<long> OrdersAsync(long skuId, CancellationToken cancellationToken) =>
        System.CountAsync($"SELECT COUNT(*) FROM order_items WHERE sku_id = {skuId}", cancellationToken);

    public ValueTask DisposeAsync() => System.DisposeAsync();
}
