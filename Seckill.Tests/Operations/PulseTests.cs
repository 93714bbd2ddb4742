using System.Collections.Concurrent;
using Seckill.Ordering.Telemetry;
using StackExchange.Redis;

namespace Seckill.Tests.Operations;

/// <summary>The pulses that the console gets from an Api and a worker.</summary>
[Collection(OperationsTests.Name)]
public sealed class PulseTests(OperationsFixture servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Api_and_worker_count_what_became_of_the_clicks()
    {
        await servers.PurgeAsync();
        var heard = new ConcurrentDictionary<string, InstancePulse>();
        var subscriber = servers.Redis.Multiplexer.GetSubscriber();
        var pulses = await subscriber.SubscribeAsync(RedisChannel.Literal(InstancePulse.Channel));
        pulses.OnMessage(message =>
        {
            if (InstancePulse.TryParse(message.Message!) is { } pulse)
            {
                heard[pulse.Role] = pulse;
            }
        });

        await using var api = servers.StartApi(("Pulse:EveryMs", "200"));
        await using var worker = servers.StartWorker();
        var skuId = await servers.PutOnSaleAsync(api, stock: 5);
        for (var user = 1; user <= 8; user++)
        {
            await api.BuyAsync(user, skuId, "click");
        }

        // The repeated click finds its order: another request, but no other order.
        Assert.Equal(200, (await api.BuyAsync(1, skuId, "click")).Status);
        Assert.Equal(404, (await api.BuyAsync(1, 4_999)).Status);

        var fromApi = await HearAsync(
            InstancePulse.Api, pulse => pulse.Requests >= 10 && pulse.Confirmed >= 5 && pulse.Health == "Healthy");
        Assert.Equal((10, 5, 4, 0, 5), (fromApi.Requests, fromApi.Accepted, fromApi.Refused, fromApi.Errors, fromApi.Confirmed));
        Assert.Null(fromApi.QueueReady);

        var fromWorker = await HearAsync(InstancePulse.Worker, pulse => pulse is { Committed: >= 5, Health: "Healthy", QueueReady: 0 });
        Assert.Equal((5, 0, 0), (fromWorker.Committed, fromWorker.Rejected, fromWorker.Errors));
        Assert.Equal(5, fromWorker.ClickToCommit.Sum());
        Assert.True(fromWorker.WorkingSetBytes > 10_000_000);
        Assert.Empty(fromWorker.Complaints);

        // Counters continue and the start time stays the same: a different one would mean a restart.
        var later = await HearAsync(InstancePulse.Api, pulse => pulse.AtMs > fromApi.AtMs);
        Assert.Equal((fromApi.StartedMs, fromApi.Instance), (later.StartedMs, later.Instance));
        await pulses.UnsubscribeAsync();

        Task<InstancePulse> HearAsync(string role, Func<InstancePulse, bool> condition) => Deadline.UntilAsync(
            () => Task.FromResult(heard.GetValueOrDefault(role)!), pulse => pulse is not null && condition(pulse), Cancelled);
    }
}
