using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Ledger;

/// <summary>A click is looked up by the rules by which the gate would answer it.</summary>
public sealed class ClickLookUpTests(RedisFixture redis) : IClassFixture<RedisFixture>
{
    private const long User = 1;

    private readonly SkuOnTrial _sku = new(redis);
    private readonly ClickLookUp _clicks = new(redis.Connection, new StockRecovery(redis.Connection));

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_click_gets_what_the_gate_would_say_and_buys_nothing()
    {
        await _sku.WarmAsync(10);
        var first = await _sku.ReserveAsync(User, 2, "a");

        Assert.Equal(new ReserveResult(ReserveCode.Duplicate, first.OrderId, 0), await FindAsync("a", 2));
        Assert.Equal(await _sku.ReserveAsync(User, 2, "a"), await FindAsync("a", 2));
        Assert.Equal(await _sku.ReserveAsync(User, 1, "a"), await FindAsync("a", 1));
        Assert.Null(await FindAsync("another", 2));
        Assert.Null(await _clicks.FindAsync(_sku.Keys, User + 1, "a", 2, Cancelled));
        Assert.Equal(8, await _sku.StockAsync());
    }

    [Fact]
    public async Task A_restored_click_is_found_without_its_order()
    {
        await _sku.WarmAsync(10);
        var order = SkuOnTrial.NextOrder();
        await _sku.Recovery.RestoreClicksAsync(_sku.Keys, [new BuyerClick(User, "a", order, 2)], Cancelled);

        Assert.Equal(new ReserveResult(ReserveCode.Duplicate, order, 0), await FindAsync("a", 2));
        Assert.Equal(new ReserveResult(ReserveCode.NumberUsed, 0, 0), await FindAsync("a", 1));

        // An older instance has not restored the quantity.
        await _sku.Database.HashDeleteAsync(_sku.Keys.Clicks, $"#{order}");
        Assert.Equal(new ReserveResult(ReserveCode.Duplicate, order, 0), await FindAsync("a", 1));
        Assert.Equal(await _sku.ReserveAsync(User, 1, "a"), await FindAsync("a", 1));
    }

    [Fact]
    public async Task An_unknown_click_is_new_only_where_nothing_can_be_lost()
    {
        var cold = new ReserveResult(ReserveCode.Cold, 0, 0);
        Assert.Equal(cold, await FindAsync("a", 1));

        await _sku.WarmAsync(10);
        Assert.Null(await FindAsync("a", 1));

        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);
        Assert.Equal(cold, await FindAsync("a", 1));

        await _sku.WarmAsync(10, epoch: 1);
        await _sku.Database.HashSetAsync(_sku.Keys.Sale, "run_id", "another");
        Assert.Equal(cold, await FindAsync("a", 1));

        // An account that may not ask which server it is trusts Redis like the gate.
        await _sku.Database.HashSetAsync(_sku.Keys.Sale, "run_id", "");
        Assert.Null(await FindAsync("a", 1));

        await _sku.Database.KeyDeleteAsync(_sku.Keys.Stock);
        Assert.Equal(cold, await FindAsync("a", 1));
    }

    [Fact]
    public async Task A_click_that_is_known_is_found_also_while_the_gate_is_closed()
    {
        await _sku.WarmAsync(10);
        var first = await _sku.ReserveAsync(User, 1, "a");
        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);

        Assert.Equal(new ReserveResult(ReserveCode.Duplicate, first.OrderId, 0), await FindAsync("a", 1));
    }

    [Fact]
    public async Task A_value_that_is_no_order_id_is_not_taken_for_a_new_click()
    {
        await _sku.WarmAsync(10);
        await _sku.Database.HashSetAsync(_sku.Keys.Clicks, $"{User}:a", "theirs");

        await Assert.ThrowsAsync<UnreadableKeysException>(() => FindAsync("a", 1));
    }

    [Fact]
    public async Task Redis_has_never_heard_of_a_buyer_only_if_it_has_had_everything_since_the_first_load()
    {
        await _sku.WarmAsync(10);
        await _sku.ReserveAsync(User, 1, "a");

        Assert.False(await HasNeverHeardOfAsync(User, null));
        Assert.False(await HasNeverHeardOfAsync(User, "a"));
        Assert.True(await HasNeverHeardOfAsync(User + 1, null));
        Assert.True(await HasNeverHeardOfAsync(User, "another"));

        var server = await _sku.Database.HashGetAsync(_sku.Keys.Sale, "run_id");
        foreach (var other in (string[])["another", ""])
        {
            await _sku.Database.HashSetAsync(_sku.Keys.Sale, "run_id", other);
            Assert.False(await HasNeverHeardOfAsync(User + 1, null));
        }

        await _sku.Database.HashSetAsync(_sku.Keys.Sale, "run_id", server);
        Assert.True(await HasNeverHeardOfAsync(User + 1, null));
        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);
        Assert.False(await HasNeverHeardOfAsync(User + 1, null));
        await _sku.WarmAsync(10, epoch: 1);
        Assert.False(await HasNeverHeardOfAsync(User + 1, null));
    }

    private Task<ReserveResult?> FindAsync(string click, int quantity) =>
        _clicks.FindAsync(_sku.Keys, User, click, quantity, Cancelled);

    private Task<bool> HasNeverHeardOfAsync(long user, string? click) =>
        _clicks.HasNeverHeardOfAsync(_sku.Keys, user, click, Cancelled);
}
