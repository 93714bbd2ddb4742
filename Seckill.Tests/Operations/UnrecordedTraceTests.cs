using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Operations;

/// <summary>An order has its own trace id everywhere, although nobody receives spans.</summary>
[Collection(OperationsTests.Name)]
public sealed class UnrecordedTraceTests(OperationsFixture servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_names_no_other_trace_than_its_orders()
    {
        await servers.PurgeAsync();
        await using var api = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(api);
        Assert.Equal(200, (await api.BuyAsync(7, skuId)).Status);
        var got = await Deadline.UntilAsync(
            () => servers.Channel.BasicGetAsync(OrderTopology.Queue, autoAck: false, Cancelled), got => got is not null, Cancelled);
        var trace = TraceIdOf(JsonElement.Parse(got!.Body.Span).GetProperty("traceparent").GetString()!);
        if (got.BasicProperties.Headers?.TryGetValue("traceparent", out var header) == true)
        {
            Assert.Equal(trace, TraceIdOf(Encoding.UTF8.GetString((byte[])header!)));
        }

        await servers.Channel.BasicNackAsync(got.DeliveryTag, multiple: false, requeue: true, Cancelled);
        await using var worker = servers.StartWorker();
        await Deadline.UntilAsync(() => StoredTraceAsync(skuId), stored => stored == trace, Cancelled);
    }

    private async Task<string?> StoredTraceAsync(long skuId)
    {
        await using var store = servers.OpenStore();
        return await store.Orders.Where(order => order.Items.Any(item => item.SkuId == skuId)).Select(order => order.TraceId)
            .SingleOrDefaultAsync(Cancelled);
    }

    private static string TraceIdOf(string traceParent)
    {
        Assert.True(ActivityContext.TryParse(traceParent, null, out var context), traceParent);
        return context.TraceId.ToHexString();
    }
}
