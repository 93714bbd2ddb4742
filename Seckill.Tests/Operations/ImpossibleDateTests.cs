using System.Globalization;
using Microsoft.EntityFrameworkCore;
using MySqlConnector;
using Seckill.Api.Catalogue;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <summary>
/// Dates that do not exist, which a server accepts without NO_ZERO_IN_DATE, or with ALLOW_INVALID_DATES, and the client cannot read. Such a
/// row stops only itself.
/// </summary>
[Collection(OperationsTests.Name)]
public sealed class ImpossibleDateTests(OperationsFixture servers) : IAsyncLifetime
{
    private const long SkuId = 790_001;
    private const string NoDate = "2020-00-15 00:00:00";

    private ApiHost _api = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await servers.PurgeAsync();
        _api = servers.StartApi(("Catalogue:CheckEveryMs", "500"));
    }

    public async ValueTask DisposeAsync()
    {
        await ExecuteAsync(
            $"""
             DELETE FROM seckill_sales WHERE sku_id = {SkuId};
             DELETE FROM product_skus WHERE id = {SkuId};
             UPDATE snowflake_nodes SET leased_until = '2020-01-15' WHERE leased_until = '{NoDate}'
             """);
        await servers.Redis.KeyDeleteAsync(new SkuKeys(SkuId).All);
        await _api.DisposeAsync();
    }

    [Theory]
    [InlineData("'2026-00-15 00:00:00'", "'2031-01-01 00:00:00'", "starts_at is not a date")]
    [InlineData("UTC_TIMESTAMP()", "'2031-05-00 00:00:00'", "ends_at is not a date")]
    [InlineData("UTC_TIMESTAMP()", $"'{NoDate}'", "ends_at is not a date")]
    [InlineData("UTC_TIMESTAMP()", "'2031-02-31 00:00:00'", "ends_at is not a date")]
    public async Task A_sale_with_one_is_not_sold_and_says_why_and_an_operator_can_correct_it(string startsAt, string endsAt, string reason)
    {
        await ExecuteAsync(
            $"""
             INSERT INTO product_skus (id, product_id, title, price, stock, image, attrs)
                 VALUES ({SkuId}, 1, 'Odd', 1, 5, '/img/bolt.svg', '{"{}"}');
             INSERT INTO seckill_sales (sku_id, starts_at, ends_at, limit_per_user) VALUES ({SkuId}, {startsAt}, {endsAt}, 1)
             """);
        var other = await servers.PutOnSaleAsync(_api);
        Assert.Equal(200, (await _api.BuyAsync(91_000, other)).Status);
        Assert.Equal(200, (await _api.GetAsync("/api/ops/reconciliation", _api.Operator)).Status);
        Assert.Equal(200, (await _api.GetAsync("/api/ops/sales", _api.Operator)).Status);

        Assert.Equal(reason, _api.Get<SaleCatalogue>().Unreadable[SkuId]);
        Assert.Equal(404, (await _api.BuyAsync(91_001, SkuId)).Status);
        var paused = await _api.PostAsync($"/api/ops/sales/{SkuId}/pause", _api.Operator);
        Assert.Equal((400, reason), (paused.Status, paused.Error));

        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        var corrected = await _api.PutAsync(
            $"/api/ops/sales/{SkuId}", _api.Operator,
            string.Create(CultureInfo.InvariantCulture, $$"""{"starts_at_ms":{{now - 1_000}},"ends_at_ms":{{now + 600_000}}}"""));
        Assert.True(corrected.Status == 200, corrected.Body.ToString());
        Assert.Equal(200, (await _api.BuyAsync(91_002, SkuId)).Status);
    }

    [Fact]
    public async Task A_node_with_one_keeps_no_instance_from_its_ids()
    {
        await ExecuteAsync(
            $"UPDATE snowflake_nodes SET leased_until = '{NoDate}' WHERE leased_until < UTC_TIMESTAMP(6) ORDER BY node LIMIT 1");

        await using var another = servers.StartApi();

        await Deadline.UntilAsync(() => Task.FromResult(another.Get<OrderIds>().Ready), ready => ready, Cancelled);
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var store = servers.OpenStore();
        await using var connection = new MySqlConnection(store.Database.GetConnectionString());
        await connection.OpenAsync(Cancelled);
        await using var command = new MySqlCommand($"SET SESSION sql_mode = 'ALLOW_INVALID_DATES'; {sql}", connection);
        await command.ExecuteNonQueryAsync(Cancelled);
    }
}
