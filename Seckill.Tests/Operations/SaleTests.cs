using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <summary>Operators create and change sales; a confirmed change applies at the gate from then on.</summary>
[Collection(OperationsTests.Name)]
public sealed class SaleTests(OperationsFixture servers, ClassApi api) : IClassFixture<ClassApi>, IAsyncLifetime
{
    private const string Sales = "/api/ops/sales";

    private static long _lastBuyer = 60_000;

    private readonly ApiHost _api = api.Host;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static long Now => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    public async ValueTask InitializeAsync() => await servers.PurgeAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_new_sale_sells_at_once_and_stands_in_every_list()
    {
        var made = await CreateAsync(""","description":"Long-lived","list_price":12.5""", units: 3);
        Assert.Equal(201, made.Status);
        var skuId = long.Parse(made.Text("sku_id"), null);
        Assert.Equal(
            ("Lamp", "Lamp", "Long-lived", "/img/bolt.svg", 9.9m, 12.5m, 2, 3, 3, 3, false),
            (made.Text("title"), made.Text("product_title"), made.Text("description"), made.Text("image"),
                made.Body.GetProperty("price").GetDecimal(), made.Body.GetProperty("list_price").GetDecimal(),
                made.Body.GetProperty("limit_per_user").GetInt32(), made.Body.GetProperty("units").GetInt32(),
                made.Body.GetProperty("mysql_stock").GetInt32(), made.Body.GetProperty("redis_stock").GetInt32(),
                made.Body.GetProperty("paused").GetBoolean()));

        Assert.Equal(200, (await _api.BuyAsync(Buyer(), skuId)).Status);
        var listed = await ItemAsync(skuId);
        Assert.Equal((3, 2), (listed.GetProperty("mysql_stock").GetInt32(), listed.GetProperty("redis_stock").GetInt32()));
        Assert.Contains($"\"{skuId}\"", (await _api.GetAsync("/api/products")).Body.ToString(), StringComparison.Ordinal);
        Assert.Equal((0, true), await DifferenceAsync(skuId));

        var entry = (await _api.GetAsync("/api/ops/audit?take=1", _api.Operator)).Body.GetProperty("items")[0];
        Assert.Equal(("sale.create", $"sku {skuId}"), (entry.GetProperty("action").GetString(), entry.GetProperty("target").GetString()));
        Assert.Contains("\"units\":3", entry.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sku_id_is_given_once_and_free_ones_are_found_by_itself()
    {
        var first = await CreateAsync();
        var next = await CreateAsync();
        Assert.Equal((201, 201), (first.Status, next.Status));
        var id = long.Parse(next.Text("sku_id"), null);
        Assert.True(id > long.Parse(first.Text("sku_id"), null));

        var wanted = await CreateAsync($""","sku_id":"{id + 5}" """);
        Assert.Equal((201, $"{id + 5}"), (wanted.Status, wanted.Text("sku_id")));
        var again = await CreateAsync($""","sku_id":{id + 5}""");
        Assert.Equal((409, "sku_id is taken"), (again.Status, again.Error));

        var several = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => CreateAsync()));
        Assert.All(several, made => Assert.Equal(201, made.Status));
        Assert.Equal(4, several.Select(made => made.Text("sku_id")).Distinct().Count());
    }

    [Fact]
    public async Task An_edit_reaches_the_gate_and_leaves_the_rest()
    {
        var skuId = long.Parse((await CreateAsync()).Text("sku_id"), null);
        var (one, two) = (Buyer(), Buyer());
        Assert.Equal(200, (await _api.BuyAsync(one, skuId)).Status);

        var edited = await _api.PutAsync($"{Sales}/{skuId}", _api.Operator, """{"limit_per_user":1,"title":"Lamp, red","price":8}""");
        Assert.Equal((200, "Lamp, red", "Lamp, red", 8m, 0m), (
            edited.Status, edited.Text("title"), edited.Text("product_title"), edited.Body.GetProperty("price").GetDecimal(),
            edited.Body.GetProperty("list_price").GetDecimal()));
        Assert.Equal("limit reached", (await _api.BuyAsync(one, skuId)).Error);
        Assert.Equal(200, (await _api.BuyAsync(two, skuId)).Status);

        var ended = await _api.PutAsync($"{Sales}/{skuId}", _api.Operator, $$"""{"ends_at_ms":{{Now}}}""");
        Assert.Equal((200, 1), (ended.Status, ended.Body.GetProperty("limit_per_user").GetInt32()));
        Assert.Equal("ended", (await _api.BuyAsync(Buyer(), skuId)).Error);
        var later = await _api.PutAsync(
            $"{Sales}/{skuId}", _api.Operator, $$"""{"starts_at_ms":{{Now + 3_600_000}},"ends_at_ms":{{Now + 7_200_000}}}""");
        Assert.Equal(200, later.Status);
        Assert.Equal("not started", (await _api.BuyAsync(Buyer(), skuId)).Error);

        // A window that ends before it starts.
        var wrong = await _api.PutAsync($"{Sales}/{skuId}", _api.Operator, $$"""{"ends_at_ms":{{Now + 1_000}}}""");
        Assert.Equal((400, "ends_at_ms must be after starts_at_ms"), (wrong.Status, wrong.Error));
        Assert.Equal(later.Body.GetProperty("ends_at_ms").GetInt64(), (await ItemAsync(skuId)).GetProperty("ends_at_ms").GetInt64());
        Assert.Equal((0, true), await DifferenceAsync(skuId));
    }

    [Fact]
    public async Task A_pause_holds_at_every_instance_when_it_answers()
    {
        await using var other = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(_api);
        await servers.WaitUntilLoadedAsync(other, skuId);
        Assert.Equal(200, (await other.BuyAsync(Buyer(), skuId)).Status);
        for (var i = 0; i < 5; i++)
        {
            var paused = await _api.PostAsync($"{Sales}/{skuId}/pause", _api.Operator);
            Assert.True(paused.Body.GetProperty("paused").GetBoolean());
            Assert.Equal("paused", (await other.BuyAsync(Buyer(), skuId)).Error);
            var resumed = await _api.PostAsync($"{Sales}/{skuId}/resume", _api.Operator);
            Assert.False(resumed.Body.GetProperty("paused").GetBoolean());
            Assert.Equal(200, (await other.BuyAsync(Buyer(), skuId)).Status);
        }

        Assert.Equal((0, true), await DifferenceAsync(skuId));
    }

    /// <summary>A load that finds Redis changed since it looked sets nothing; the change must reach the gate all the same.</summary>
    [Fact]
    public async Task A_pause_holds_when_it_answers_although_Redis_changes_meanwhile()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var changes = Task.Run(
            async () =>
            {
                for (var i = 0; !enough.IsCancellationRequested; i++)
                {
                    await servers.Redis.HashSetAsync(new SkuKeys(skuId).Sale, "counted", i % 2);
                    // In bursts, so that some loads are overtaken, and some are not, even on a busy machine.
                    await Task.Delay(TimeSpan.FromMilliseconds(i % 20 == 0 ? 30 : 1), Cancelled);
                }
            },
            Cancelled);
        try
        {
            for (var i = 0; i < 40; i++)
            {
                Assert.Equal(200, (await _api.PostAsync($"{Sales}/{skuId}/pause", _api.Operator)).Status);
                Assert.Equal("paused", (await _api.BuyAsync(Buyer(), skuId)).Error);
                Assert.Equal(200, (await _api.PostAsync($"{Sales}/{skuId}/resume", _api.Operator)).Status);
            }
        }
        finally
        {
            await enough.CancelAsync();
            await changes;
        }
    }

    [Fact]
    public async Task An_unknown_sale_is_404()
    {
        foreach (var path in new[] { "pause", "resume", "stock" })
        {
            var answer = await _api.PostAsync($"{Sales}/987654/{path}", _api.Operator, """{"add":1,"units_before":0}""");
            Assert.Equal((404, "unknown sku"), (answer.Status, answer.Error));
        }

        Assert.Equal(404, (await _api.PutAsync($"{Sales}/987654", _api.Operator, """{"price":1}""")).Status);
        Assert.Equal((400, "sku_id is not valid"), await ErrorOf(_api.PostAsync($"{Sales}/x/pause", _api.Operator)));
    }

    [Theory]
    [InlineData("units", "0", "units must be 1 to 1000000")]
    [InlineData("units", "1000001", "units must be 1 to 1000000")]
    [InlineData("units", "\"5\"", "units is not valid")]
    [InlineData("units", "null", "units is required")]
    [InlineData("limit_per_user", "0", "limit_per_user must be 1 to 99")]
    [InlineData("limit_per_user", "100", "limit_per_user must be 1 to 99")]
    [InlineData("limit_per_user", "1.5", "limit_per_user is not valid")]
    [InlineData("price", "0", "price must be 0.01 to 9999999.99")]
    [InlineData("price", "10000000", "price must be 0.01 to 9999999.99")]
    [InlineData("price", "1.001", "price must be 0.01 to 9999999.99, with two decimals")]
    [InlineData("price", "1e400", "price is not valid")]
    [InlineData("price", "null", "price is required")]
    [InlineData("list_price", "-1", "list_price must be 0")]
    [InlineData("title", "\"\"", "title must be 1 to 100 characters")]
    [InlineData("title", "\"  \"", "title must be 1 to 100 characters")]
    [InlineData("title", "\"a\\nb\"", "title must be one line")]
    [InlineData("title", "\"\\ud800\"", "title is not valid")]
    [InlineData("title", "7", "title is not valid")]
    [InlineData("image", "\"javascript:alert(1)\"", "image must be")]
    [InlineData("image", "\"//evil.example/x.svg\"", "image must be")]
    [InlineData("image", "\"/\\\\evil.example/x.svg\"", "image must be")]
    [InlineData("starts_at_ms", "-1", "starts_at_ms must be 0 to")]
    [InlineData("ends_at_ms", "4102444800001", "ends_at_ms must be 0 to")]
    [InlineData("ends_at_ms", "1000", "ends_at_ms must be after starts_at_ms")]
    [InlineData("sku_id", "0", "sku_id must be 1 to")]
    [InlineData("sku_id", "9007199254740992", "sku_id must be 1 to")]
    [InlineData("sku_id", "\"many\"", "sku_id is not valid")]
    [InlineData("price", "1,\"price\":2", "price is not valid")]
    public async Task A_wrong_sale_is_refused(string member, string value, string error)
    {
        var members = new Dictionary<string, string>
        {
            ["title"] = "\"Lamp\"",
            ["price"] = "1",
            ["limit_per_user"] = "1",
            ["starts_at_ms"] = $"{Now}",
            ["ends_at_ms"] = $"{Now + 60_000}",
            ["units"] = "1",
            [member] = value,
        };
        var body = $"{{{string.Join(',', members.Select(m => $"\"{m.Key}\":{m.Value}"))}}}";
        await RefusedAsync(() => _api.PostAsync(Sales, _api.Operator, body), error);
    }

    [Theory]
    [InlineData("{}", "nothing to change")]
    [InlineData("""{"prise":1}""", "nothing to change")]
    [InlineData("""{"price":-1}""", "price must be")]
    [InlineData("""{"list_price":10000000}""", "list_price must be")]
    [InlineData("""{"limit_per_user":100}""", "limit_per_user must be")]
    [InlineData("""{"title":""}""", "title must be")]
    [InlineData("""{"ends_at_ms":1000}""", "ends_at_ms must not be in the past")]
    [InlineData("""{"starts_at_ms":4102444800001}""", "starts_at_ms must be")]
    [InlineData("""{"starts_at_ms":4102444800000}""", "ends_at_ms must be after starts_at_ms")]
    [InlineData("""[1]""", "malformed JSON")]
    [InlineData("", "malformed JSON")]
    public async Task A_wrong_edit_is_refused(string body, string error)
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        await RefusedAsync(() => _api.PutAsync($"{Sales}/{skuId}", _api.Operator, body), error);
    }

    [Theory]
    [InlineData("""{"units_before":10}""", "add is required")]
    [InlineData("""{"add":1}""", "units_before is required")]
    [InlineData("""{"add":0,"units_before":10}""", "add must be 1 to 1000000")]
    [InlineData("""{"add":-1,"units_before":10}""", "add must be 1 to 1000000")]
    [InlineData("""{"add":1000001,"units_before":10}""", "add must be 1 to 1000000")]
    [InlineData("""{"add":1,"units_before":-1}""", "units_before must not be negative")]
    [InlineData("""{"add":"x","units_before":10}""", "add is not valid")]
    public async Task A_wrong_addition_is_refused(string body, string error)
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        await RefusedAsync(() => _api.PostAsync($"{Sales}/{skuId}/stock", _api.Operator, body), error);
    }

    private static long Buyer() => Interlocked.Increment(ref _lastBuyer);

    private static async Task<(int Status, string Error)> ErrorOf(Task<Reply> asked) => ((await asked).Status, (await asked).Error);

    private Task<Reply> CreateAsync(string more = "", int units = 5) => _api.PostAsync(
        Sales, _api.Operator,
        $$"""{"title":"Lamp","price":9.90,"limit_per_user":2,"starts_at_ms":{{Now - 1_000}},"ends_at_ms":{{Now + 3_600_000}},"units":"""
            + $$"""{{units}}{{more}}}""");

    private async Task<JsonElement> ItemAsync(long skuId) =>
        (await _api.GetAsync(Sales, _api.Operator)).Body.GetProperty("items").EnumerateArray()
            .Single(item => item.GetProperty("sku_id").GetString() == $"{skuId}");

    private async Task<(long Difference, bool Loaded)> DifferenceAsync(long skuId)
    {
        var item = await _api.BooksAsync(skuId);
        Assert.Equal(0, item.GetProperty("store_difference").GetInt64());
        return (item.GetProperty("difference").GetInt64(), item.GetProperty("loaded").GetBoolean());
    }

    private async Task RefusedAsync(Func<Task<Reply>> ask, string error)
    {
        var before = await StateAsync();
        var answer = await ask();
        Assert.Equal(400, answer.Status);
        Assert.StartsWith(error, answer.Error, StringComparison.Ordinal);
        Assert.Equal(before, await StateAsync());
    }

    private async Task<(int Skus, long Units, decimal Prices, DateTime? LastEnd)> StateAsync()
    {
        await using var store = servers.OpenStore();
        return (
            await store.ProductSkus.CountAsync(Cancelled), await store.SeckillSales.SumAsync(sale => (long)(sale.Units ?? 0), Cancelled),
            await store.ProductSkus.SumAsync(sku => sku.Price, Cancelled),
            await store.SeckillSales.MaxAsync(sale => (DateTime?)sale.EndsAt, Cancelled));
    }
}
