using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Operations;

/// <summary>
/// Bad data in one sale's row or under one SKU's keys does not affect other sales: they are sold, listed and compared, and new ones are
/// created.
/// </summary>
[Collection(OperationsTests.Name)]
public sealed class BadRowTests(OperationsFixture servers) : IAsyncLifetime
{
    private const int RowsAtOnce = 60;
    private const int LockedAnswerMsMax = 30_000;

    /// <summary>Far from the ids of the other tests.</summary>
    private static long _lastBadSkuId = 800_000;
    private static long _lastBuyer = 90_000;

    private static readonly string[] Times =
    [
        "'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'", "'1970-01-01 00:00:00'", "'2023-11-11 11:11:11'", "'2026-00-15 00:00:00'",
        "UTC_TIMESTAMP()", "'2031-05-00 00:00:00'", "'9999-12-24 23:59:59'", "'9999-12-31 23:59:59.999999'",
    ];

    private static readonly string[] Keys = ["stock", "sale", "orders", "buyers", "clicks", "outbox"];
    private static readonly string[] Integers = ["-2147483648", "-1", "0", "1", "2147483647"];
    private static readonly string[] Flags = ["-128", "0", "1", "2", "127"];
    private static readonly string[] Amounts = ["-9999999999999999.99", "-0.01", "0", "0.01", "9999999999999999.99"];
    private static readonly string[] Epochs = ["-9223372036854775808", "-1", "0", "9007199254740993", "9223372036854775807"];

    private static readonly string[] Texts =
    [
        "''", "'null'", "'not json'", "'{\"a\":1e999}'", "'\\0\\n\\t|'", "'</script><b>'", "REPEAT('[', 200)", "REPEAT('\U0001F4F1', 200)",
        "'\\\\'",
    ];

    private readonly List<SkuKeys> _victims = [];
    private ApiHost _api = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await servers.PurgeAsync();
        _api = servers.StartApi(("Catalogue:CheckEveryMs", "500"), ("Catalogue:DrainWaitMsMax", "1000"));
    }

    public async ValueTask DisposeAsync()
    {
        await using (var store = servers.OpenStore())
        {
            await store.Database.ExecuteSqlRawAsync(
                "DELETE FROM seckill_sales WHERE sku_id > 800000; DELETE FROM product_skus WHERE id > 800000");
        }

        // All keys: this counts as a loss of Redis's data, which the next Api repairs.
        await servers.Redis.KeyDeleteAsync([.. _victims.SelectMany(victim => victim.All)]);
        await _api.DisposeAsync();
    }

    [Theory]
    [InlineData("UTC_TIMESTAMP()", "'9999-12-31 23:59:59'")]
    [InlineData("'0000-00-00 00:00:00'", "'9999-12-31 23:59:59.999999'")]
    [InlineData("'9999-12-31 23:59:59.999999'", "'0000-00-00 00:00:00'")]
    public async Task A_sale_at_the_end_of_time_stops_no_other(string startsAt, string endsAt)
    {
        var good = await servers.PutOnSaleAsync(_api);
        var skuId = await AddAsync(startsAt, endsAt);

        await AssertOthersGoOnAsync(good);
        await AssertNoFaultAsync(skuId);
        await servers.Redis.KeyDeleteAsync([.. new SkuKeys(good).All]);
        await servers.WaitUntilLoadedAsync(_api, good);
    }

    [Fact]
    public async Task No_row_that_the_database_accepts_stops_another_sale()
    {
        var random = new Random(TestSeed.Take(1));
        var good = await servers.PutOnSaleAsync(_api);
        var bad = new List<long>();
        for (var i = 0; i < RowsAtOnce; i++)
        {
            bad.Add(await AddAsync(
                Of(Times), Of(Times), Of(Integers), Of(Amounts), Of(Flags), Of(Flags), Of([.. Integers, "NULL"]), Of(Integers), Of(Amounts),
                Of(Texts), Of(Texts), Of(Texts), Of(Epochs)));
        }

        await AssertOthersGoOnAsync(good);
        foreach (var skuId in bad)
        {
            await AssertNoFaultAsync(skuId);
        }

        string Of(string[] values) => values[random.Next(values.Length)];
    }

    [Theory]
    [InlineData("string")]
    [InlineData("list")]
    [InlineData("set")]
    [InlineData("hash")]
    [InlineData("sorted set")]
    [InlineData("stream")]
    public async Task Foreign_data_under_a_skus_keys_stops_no_other(string type)
    {
        var good = await servers.PutOnSaleAsync(_api);
        foreach (var (i, name) in Keys.Index())
        {
            var victim = await servers.PutOnSaleAsync(_api);
            Assert.True((await _api.BuyAsync(Buyer(), victim)).Status == 200, name);
            _victims.Add(new SkuKeys(victim));
            await PutAsync(new SkuKeys(victim).All[i], type);

            Assert.NotEqual(500, (await _api.BuyAsync(Buyer(), victim)).Status);
            Assert.NotEqual(500, (await _api.GetAsync($"/api/orders/seckill/status?sku_id={victim}", _api.Buyer(_lastBuyer))).Status);
            Assert.Equal(200, (await _api.GetAsync("/api/orders", _api.Buyer(_lastBuyer))).Status);
        }

        await AssertOthersGoOnAsync(good);
    }

    [Theory]
    [InlineData("orders")]
    [InlineData("buyers")]
    [InlineData("outbox")]
    public async Task Foreign_data_under_a_skus_keys_hides_no_order_of_another_sku_from_operators(string name)
    {
        var (good, victim, buyer) = (await servers.PutOnSaleAsync(_api), await servers.PutOnSaleAsync(_api), Buyer());
        var orderId = (await _api.BuyAsync(buyer, good)).Text("order_id");
        Assert.Equal(200, (await _api.BuyAsync(buyer, victim)).Status);
        _victims.Add(new SkuKeys(victim));
        await PutAsync(new SkuKeys(victim).All[Array.IndexOf(Keys, name)], "string");

        var found = await _api.GetAsync($"/api/ops/orders?q={buyer}", _api.Operator);

        Assert.Equal(200, found.Status);
        Assert.Contains(found.Body.GetProperty("items").EnumerateArray(), order => order.GetProperty("order_id").GetString() == orderId);
    }

    [Fact]
    public async Task A_row_that_somebody_keeps_locked_hides_no_other_sales_books()
    {
        var (good, victim) = (await servers.PutOnSaleAsync(_api), await servers.PutOnSaleAsync(_api));
        await using var store = servers.OpenStore();
        await using var held = await store.Database.BeginTransactionAsync(Cancelled);
        await store.Database.ExecuteSqlAsync($"SELECT id FROM product_skus WHERE id = {victim} FOR UPDATE", Cancelled);

        var answer = await _api.GetAsync("/api/ops/reconciliation", _api.Operator)
            .WaitAsync(TimeSpan.FromMilliseconds(LockedAnswerMsMax), Cancelled);

        Assert.Equal(200, answer.Status);
        Assert.False(answer.Body.GetProperty("healthy").GetBoolean());
        var items = answer.Body.GetProperty("items").EnumerateArray().ToDictionary(item => item.GetProperty("sku_id").GetString()!);
        Assert.Equal(0, items[$"{good}"].GetProperty("difference").GetInt32());
        Assert.Contains("locked", items[$"{victim}"].GetProperty("unreadable").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sale_whose_row_somebody_keeps_locked_is_changed_when_it_is_free_and_until_then_busy()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        await using var store = servers.OpenStore();
        await using (await store.Database.BeginTransactionAsync(Cancelled))
        {
            await store.Database.ExecuteSqlAsync($"SELECT id FROM product_skus WHERE id = {skuId} FOR UPDATE", Cancelled);
            var refused = await PauseAsync().WaitAsync(TimeSpan.FromMilliseconds(LockedAnswerMsMax), Cancelled);
            Assert.Equal((503, "busy"), (refused.Status, refused.Error));
            Assert.Equal(200, (await _api.BuyAsync(Buyer(), skuId)).Status);
        }

        Assert.Equal(200, (await PauseAsync()).Status);
        Assert.Equal("paused", (await _api.BuyAsync(Buyer(), skuId)).Error);

        Task<Reply> PauseAsync() => _api.PostAsync($"/api/ops/sales/{skuId}/pause", _api.Operator);
    }

    private async Task AssertOthersGoOnAsync(long good)
    {
        // It is read after the bad one, in the same rounds.
        var later = await servers.PutOnSaleAsync(_api);
        Assert.Equal(200, (await _api.BuyAsync(Buyer(), good)).Status);
        Assert.Equal(200, (await _api.BuyAsync(Buyer(), later)).Status);
        Assert.Equal(200, (await _api.GetAsync("/api/products")).Status);
        var books = await _api.GetAsync("/api/ops/reconciliation", _api.Operator);
        Assert.Equal(200, books.Status);
        Assert.Contains($"\"{later}\"", books.Body.ToString(), StringComparison.Ordinal);
        Assert.Equal(200, (await _api.PostAsync("/api/ops/reconciliation/repair?apply=true", _api.Operator)).Status);
        Assert.Equal(200, (await _api.GetAsync("/api/ops/sales", _api.Operator)).Status);
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        var made = await _api.PostAsync(
            "/api/ops/sales", _api.Operator,
            $$"""
              {"title":"Lamp","image":"/img/bolt.svg","price":9.9,"units":3,"limit_per_user":1,
              "starts_at_ms":{{now - 1000}},"ends_at_ms":{{now + 600000}}}
              """);
        Assert.True(made.Status == 201, made.Body.ToString());
    }

    private async Task AssertNoFaultAsync(long skuId)
    {
        Assert.NotEqual(500, (await _api.BuyAsync(Buyer(), skuId)).Status);
        Assert.NotEqual(500, (await _api.GetAsync($"/api/orders/seckill/status?sku_id={skuId}", _api.Buyer(_lastBuyer))).Status);
        Assert.NotEqual(500, (await _api.GetAsync($"/api/seckill/token?sku_id={skuId}", _api.Buyer(_lastBuyer))).Status);
    }

    /// <summary>Puts a SKU on sale as if by hand in SQL; a row that the server refuses is left out.</summary>
    private async Task<long> AddAsync(
        string startsAt, string endsAt, string limit = "1", string listPrice = "0", string paused = "0", string tokenRequired = "0",
        string units = "NULL", string stock = "5", string price = "1", string title = "'Odd'", string image = "'/img/bolt.svg'",
        string attrs = "'{}'", string epoch = "0")
    {
        var skuId = Interlocked.Increment(ref _lastBadSkuId);
        await using var store = servers.OpenStore();
        await using var connection = new MySqlConnection(store.Database.GetConnectionString());
        await connection.OpenAsync(Cancelled);
        await using var command = new MySqlCommand(
            $"""
             SET SESSION sql_mode = '';
             INSERT INTO product_skus (id, product_id, title, price, stock, image, attrs, gate_epoch)
                 VALUES ({skuId}, 1, {title}, {price}, {stock}, {image}, {attrs}, {epoch});
             INSERT INTO seckill_sales (sku_id, starts_at, ends_at, limit_per_user, list_price, paused, token_required, units)
                 VALUES ({skuId}, {startsAt}, {endsAt}, {limit}, {listPrice}, {paused}, {tokenRequired}, {units});
             """, connection);
        try
        {
            await command.ExecuteNonQueryAsync(Cancelled);
        }
        catch (MySqlException refused) when (refused.Message.Contains("constraint", StringComparison.OrdinalIgnoreCase))
        {
            TestContext.Current.TestOutputHelper?.WriteLine(refused.Message);
        }

        return skuId;
    }

    private async Task PutAsync(RedisKey key, string type)
    {
        await servers.Redis.KeyDeleteAsync(key);
        await (type switch
        {
            "string" => (Task)servers.Redis.StringSetAsync(key, "bad"),
            "list" => servers.Redis.ListLeftPushAsync(key, "bad"),
            "set" => servers.Redis.SetAddAsync(key, "bad"),
            "hash" => servers.Redis.HashSetAsync(key, "bad", "bad"),
            "sorted set" => servers.Redis.SortedSetAddAsync(key, "bad", 1),
            _ => servers.Redis.StreamAddAsync(key, "bad", "bad"),
        });
    }

    private static long Buyer() => Interlocked.Increment(ref _lastBuyer);
}
