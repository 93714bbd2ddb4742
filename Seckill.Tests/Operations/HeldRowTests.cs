using System.Globalization;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using RabbitMQ.Client;
using Seckill.Api.Snapshots;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ids;

namespace Seckill.Tests.Operations;

/// <summary>The lock on a sale's row: no process of this system keeps it for ever, and no call waits for it for long.</summary>
[Collection(OperationsTests.Name)]
public sealed class HeldRowTests(OperationsFixture servers, ClassApi api) : IClassFixture<ClassApi>, IAsyncLifetime
{
    private const string Letters = "/api/ops/dead-letters";

    /// <summary>Half the time-out of a call on dead letters, which would answer the same.</summary>
    private const int BusyAnswerMsMax = 15_000;

    private readonly ApiHost _api = api.Host;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await servers.PurgeAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>The server ends a session that is silent for that long and rolls it back.</summary>
    [Fact]
    public async Task A_process_that_freezes_keeps_a_row_locked_for_a_bounded_time()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        await using var store = servers.OpenStore();
        await using var transaction = await store.Database.BeginTransactionAsync(Cancelled);
        Assert.NotNull(await SkuRowLock.TakeAsync(store, skuId, Cancelled));

        await using var command = store.Database.GetDbConnection().CreateCommand();
        command.Transaction = transaction.GetDbTransaction();
        command.CommandText = "SELECT @@SESSION.wait_timeout";
        var idleSeconds = Convert.ToInt32(await command.ExecuteScalarAsync(Cancelled), CultureInfo.InvariantCulture);

        Assert.Equal(SkuRowLock.IdleSecondsMax, idleSeconds);
    }

    [Fact]
    public async Task A_letter_of_a_sale_whose_row_somebody_keeps_locked_is_abandoned_when_it_is_free_and_until_then_busy()
    {
        var skuId = await servers.PutOnSaleAsync(_api);
        var orderId = _api.Get<OrderIds>().TryNext(out var next) ? next : throw new InvalidOperationException("no node");
        await servers.Channel.BasicPublishAsync(
            OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, mandatory: true, new BasicProperties { Persistent = true },
            Encoding.UTF8.GetBytes($$"""{"user_id":7,"sku_id":{{skuId}},"quantity":1,"order_id":{{orderId}}}"""), Cancelled);
        var list = await _api.GetAsync(Letters, _api.Operator);
        var letter = Assert.Single(list.Body.GetProperty("items").EnumerateArray()).GetProperty("id").GetString();
        await using var store = servers.OpenStore();
        await using (await store.Database.BeginTransactionAsync(Cancelled))
        {
            await store.Database.ExecuteSqlAsync($"SELECT id FROM product_skus WHERE id = {skuId} FOR UPDATE", Cancelled);
            var busy = await AbandonAsync().WaitAsync(TimeSpan.FromMilliseconds(BusyAnswerMsMax), Cancelled);
            Assert.Equal((503, "busy"), (busy.Status, busy.Error));
        }

        var done = await AbandonAsync();
        Assert.Equal((200, "failed"), (done.Status, done.Text("outcome")));

        Task<Reply> AbandonAsync() => _api.PostAsync($"{Letters}/{letter}/abandon", _api.Operator);
    }
}
