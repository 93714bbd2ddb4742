using Seckill.Ordering.Holding;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Ledger;

/// <summary>
/// Something else is stored where the scripts expect a number. Nothing is done halfway, the error names the place, and neither another SKU
/// nor another click is affected.
/// </summary>
public sealed class DamagedNumberTests(RedisFixture redis) : IClassFixture<RedisFixture>
{
    private const string TooLarge = "99999999999999999999";

    private readonly SkuOnTrial _sku = new(redis);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("epoch", "none")]
    [InlineData("held", "")]
    [InlineData("held", "0x10")]
    [InlineData("held", TooLarge)]
    [InlineData("seq", "1.5")]
    [InlineData("starts_ms", "")]
    [InlineData("ends_ms", "never")]
    [InlineData("limit", "nan")]
    public async Task A_click_changes_nothing_and_buys_once_the_number_is_repaired(string field, string value)
    {
        await _sku.WarmAsync(10);
        await _sku.ReserveAsync(1, 2, "a");
        var repairAsync = await DamageAsync(field, value);
        var before = await DumpAsync();

        await AssertNamedAsync(field, _sku.Keys.Sale, () => _sku.ReserveAsync(2, 1, "b"));

        Assert.Equal(before, await DumpAsync());
        await repairAsync();
        Assert.Equal(ReserveCode.Accepted, (await _sku.ReserveAsync(2, 1, "b")).Code);
        Assert.Equal((7L, 3L), (await _sku.StockAsync(), await _sku.HeldAsync()));
    }

    [Theory]
    [InlineData("epoch", "none")]
    [InlineData("held", "")]
    [InlineData("held", TooLarge)]
    [InlineData("counted", "x")]
    public async Task A_verdict_changes_nothing_and_returns_its_units_once_the_number_is_repaired(string field, string value)
    {
        await _sku.WarmAsync(10);
        var verdict = SkuOnTrial.Verdict((await _sku.ReserveAsync(1, 2)).OrderId, success: false, "no", quantity: 2);
        var repairAsync = await DamageAsync(field, value);
        var before = await DumpAsync();

        await AssertNamedAsync(field, _sku.Keys.Sale, () => _sku.SettleAsync(verdict));

        Assert.Equal(before, await DumpAsync());
        await repairAsync();
        Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(verdict));
        Assert.Equal((10L, 0L), (await _sku.StockAsync(), await _sku.HeldAsync()));
    }

    [Theory]
    [InlineData("epoch", "none")]
    [InlineData("held", "")]
    [InlineData("counted", "1.5")]
    [InlineData("warmed", "-")]
    public async Task A_snapshot_names_the_number_and_hides_no_other_SKU(string field, string value)
    {
        var other = new SkuOnTrial(redis);
        await other.WarmAsync(5);
        await _sku.WarmAsync(10);
        await DamageAsync(field, value);

        await AssertNamedAsync(field, _sku.Keys.Sale, SnapshotAsync);
        var found = await _sku.Recovery.SnapshotAsync([_sku.Keys, other.Keys], Cancelled);
        Assert.Null(found[0]);
        Assert.Equal(5, found[1]!.Stock);
    }

    [Fact]
    public async Task A_damaged_sequence_is_no_fault_of_books_loads_and_verdicts()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;
        await DamageAsync("seq", "x");

        Assert.Equal(9, (await SnapshotAsync()).Stock);
        Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1")));
        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);
        Assert.Equal(new WarmResult(true, 2, 9), await _sku.WarmAsync(9, epoch: 1, decided: []));
    }

    [Fact]
    public async Task A_token_that_is_no_number_is_a_fault_of_its_SKU()
    {
        await _sku.WarmAsync(10);
        await DamageAsync("load", "theirs");

        await Assert.ThrowsAsync<UnreadableKeysException>(SnapshotAsync);
        Assert.Null(Assert.Single(await _sku.Recovery.SnapshotAsync([_sku.Keys], Cancelled)));
    }

    [Fact]
    public async Task A_damaged_counter_sells_nothing_and_delays_no_verdict_that_leaves_it_alone()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;
        await _sku.Database.StringSetAsync(_sku.Keys.Stock, "many");
        var before = await DumpAsync();

        await AssertNamedAsync("counter", _sku.Keys.Stock, () => _sku.ReserveAsync(2));
        await AssertNamedAsync("counter", _sku.Keys.Stock, SnapshotAsync);
        await AssertNamedAsync("counter", _sku.Keys.Stock, () => _sku.WarmAsync(10, epoch: 1));
        Assert.Equal(before, await DumpAsync());

        Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1")));
        Assert.Equal(OrderState.Success, (await _sku.FindAsync(1))!.State);
        Assert.Equal(0, await _sku.HeldAsync());
    }

    [Theory]
    [InlineData("x")]
    [InlineData("")]
    public async Task A_gate_that_is_neither_open_nor_closed_is_closed_until_it_is_loaded(string closed)
    {
        await _sku.WarmAsync(10);
        await DamageAsync("closed", closed);

        Assert.Equal(ReserveCode.Cold, (await _sku.ReserveAsync(1)).Code);
        Assert.True((await SnapshotAsync()).Closed);
        Assert.Equal(new WarmResult(true, 2, 10), await _sku.WarmAsync(10, epoch: 1));
        Assert.Equal(ReserveCode.Accepted, (await _sku.ReserveAsync(1)).Code);
    }

    /// <summary>The loader sees other terms and sets them anew.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("soon")]
    [InlineData("0")]
    [InlineData(TooLarge)]
    public async Task A_damaged_expiry_delays_nothing_and_deletes_nothing(string expiry)
    {
        var terms = SkuOnTrial.Terms();
        await _sku.WarmAsync(10, terms: terms);
        await DamageAsync("expire_ms", expiry);

        var order = (await _sku.ReserveAsync(1, 1, "a")).OrderId;
        await _sku.Database.KeyDeleteAsync(_sku.Keys.Outbox);
        await _sku.Recovery.RecallAsync(_sku.Keys, [order], Cancelled);
        var snapshot = await SnapshotAsync();
        Assert.Equal([order], snapshot.UnsettledIds);
        Assert.False(snapshot.HasTerms(terms));
        Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1")));
        Assert.Equal(OrderState.Success, (await _sku.FindAsync(1, "a"))!.State);

        await _sku.WarmAsync(10, epoch: 1, terms);
        Assert.NotNull(await _sku.Database.KeyTimeToLiveAsync(_sku.Keys.Orders));
    }

    [Fact]
    public async Task A_damaged_click_fails_alone()
    {
        await _sku.WarmAsync(10);
        await _sku.Database.HashSetAsync(_sku.Keys.Clicks, "2:b", "theirs");

        var reply = await _sku.ReserveAsync(Request(1, "a"), Request(2, "b"), Request(3, "c"));

        Assert.Equal(
            [ReserveCode.Accepted, ReserveCode.Unreadable, ReserveCode.Accepted], reply.Results.Select(result => result.Code));
        Assert.Equal((8L, 2L), (await _sku.StockAsync(), await _sku.HeldAsync()));
        Assert.Null(await _sku.FindAsync(2));
    }

    [Fact]
    public async Task A_record_with_an_impossible_quantity_is_in_no_total()
    {
        await _sku.WarmAsync(10);
        var (order, damaged) = ((await _sku.ReserveAsync(1)).OrderId, (await _sku.ReserveAsync(2)).OrderId);
        await _sku.Database.HashSetAsync(_sku.Keys.Orders, damaged, $"P|{TooLarge}|2|1|1||");

        Assert.Equal(1, (await SnapshotAsync()).ReservedUnits);
        Assert.Equal(
            [SettleCode.Unreadable, SettleCode.Settled],
            await _sku.Ledger.SettleAsync(
                _sku.Keys, [SkuOnTrial.Verdict(damaged, false, "no", user: 2), SkuOnTrial.Verdict(order, false, "no")], Cancelled));
        Assert.Equal((9L, 1L), (await _sku.StockAsync(), await _sku.HeldAsync()));

        await _sku.Recovery.CloseAsync(_sku.Keys, Cancelled);
        Assert.Equal(new WarmResult(true, 2, 10), await _sku.WarmAsync(10, epoch: 1, decided: []));
    }

    [Fact]
    public async Task A_confirm_at_an_impossible_time_leaves_a_readable_record()
    {
        await _sku.WarmAsync(10);
        var order = (await _sku.ReserveAsync(1)).OrderId;
        await _sku.Database.SortedSetAddAsync(_sku.Keys.Outbox, order, double.PositiveInfinity);

        Assert.Equal(SettleCode.Settled, await _sku.SettleAsync(SkuOnTrial.Verdict(order, true, "SN1")));

        var found = await _sku.FindAsync(1);
        Assert.Equal(OrderState.Success, found!.State);
        Assert.Null(found.ConfirmedAtMs);
    }

    [Fact]
    public async Task A_workers_report_with_an_impossible_number_hides_no_other()
    {
        RedisKey reports = "seckill:workers:held";
        var held = new HeldMessages(redis.Connection);
        await held.ReportAsync("ours", TimeSpan.FromSeconds(5), Cancelled);
        await _sku.Database.HashSetAsync(reports, "their age", $"{DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()}|{TooLarge}");
        await _sku.Database.HashSetAsync(reports, "their time", $"{TooLarge}|1");

        var found = await held.ReadAsync(Cancelled);

        Assert.Equal(1, found.Workers);
        Assert.InRange(found.OldestAge.TotalSeconds, 5, 60);
    }

    private static ReserveRequest Request(long user, string click) => new(SkuOnTrial.NextOrder(), user, 1, click, null);

    private Task<LedgerSnapshot> SnapshotAsync() => _sku.Recovery.SnapshotAsync(_sku.Keys, 10, Cancelled);

    /// <summary>Everything that is stored under the SKU's keys.</summary>
    private async Task<string[]> DumpAsync() => Array.ConvertAll(
        await Task.WhenAll(_sku.Keys.All.Select(key => _sku.Database.KeyDumpAsync(key))), dump => Convert.ToHexString(dump ?? []));

    /// <summary>Puts a value into a field of the sale; returns what puts the right one back.</summary>
    private async Task<Func<Task>> DamageAsync(string field, string value)
    {
        var right = await _sku.Database.HashGetAsync(_sku.Keys.Sale, field);
        await _sku.Database.HashSetAsync(_sku.Keys.Sale, field, value);
        return () => right.IsNull
            ? _sku.Database.HashDeleteAsync(_sku.Keys.Sale, field)
            : _sku.Database.HashSetAsync(_sku.Keys.Sale, field, right);
    }

    private static async Task AssertNamedAsync(string field, RedisKey key, Func<Task> call)
    {
        var refused = await Assert.ThrowsAsync<RedisServerException>(call);
        Assert.Contains($"value is not an integer: {field} of {key}", refused.Message, StringComparison.Ordinal);
        Assert.True(RedisRefusals.IsAboutStoredData(refused), refused.Message);
    }
}
