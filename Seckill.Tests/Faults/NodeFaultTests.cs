using System.Diagnostics;
using System.Net;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Faults;

/// <summary>A dead, frozen or slow node stops only the orders that depend on it alone.</summary>
[Trait("Category", "Long")]
[Trait("Servers", "Newest")]
public sealed class NodeFaultTests(RedundantSystem redundant, ITestOutputHelper output) : IClassFixture<RedundantSystem>
{
    private const int FaultCount = 8;
    private const int ClicksAtOnce = 8;
    private const int PaceMs = 200;

    /// <summary>The promise is three seconds; the machine may be busy.</summary>
    private const int AnsweredWithinMs = 15_000;
    private const int TimeoutMs = 120_000;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact(Explicit = true)]
    public async Task Good_orders_go_on_whichever_node_dies_freezes_or_slows_down()
    {
        var random = new Random(TestSeed.Take(1_016));
        var faults = Enumerable.Range(0, FaultCount).Select(_ => NodeFaults.Next(random)).ToArray();

        await WhileOrdersComeAsync(await redundant.StartAsync(), (servers, sale) => RunAsync(servers, sale, faults));
    }

    [Fact(Explicit = true)]
    public async Task Good_orders_go_on_when_the_queues_leader_dies_or_freezes() => await WhileOrdersComeAsync(
        await redundant.StartAsync(),
        (servers, sale) => RunAsync(servers, sale, (Node.RabbitMqLeader, Fault.Kill), (Node.RabbitMqLeader, Fault.Freeze)));

    [Fact(Explicit = true)]
    public async Task Good_orders_go_on_when_MySql_is_switched_over_and_back() => await WhileOrdersComeAsync(
        await redundant.StartAsync(),
        async (servers, sale) =>
        {
            for (var i = 0; i < 2; i++)
            {
                await servers.MySql.SwitchOverAsync(_cancellation);
                await WriteAsync(sale, "after a switch-over");
            }
        });

    [Fact(Explicit = true)]
    public async Task What_MySqls_replica_lacks_when_it_is_promoted_is_written_again()
    {
        // The old primary's extra data keeps it from following: no other test can use this system.
        await using var own = await RedundantSystem.Servers.StartAsync();
        await WhileOrdersComeAsync(own, async (servers, sale) =>
        {
            await servers.MySql.StopFollowingAsync(_cancellation);
            await sale.WriteOneEachAsync(NodeFaults.WrittenWithinMs);
            servers.MySql.Primary.Kill();
            await servers.MySql.PromoteAsync(_cancellation);
            await WriteAsync(sale, "after a promotion");
        });
    }

    /// <summary>
    /// A replica that lacks the last orders is promoted: every buyer who was answered "queued" still gets an order, and no buyer exceeds
    /// the limit, although the replica has too few units for that buyer.
    /// </summary>
    [Fact(Explicit = true)]
    [Trait("Category", "Long")]
    public async Task What_Redis_replica_lacks_when_it_is_promoted_is_loaded_again()
    {
        await using var own = await RedundantSystem.Servers.StartAsync();
        await WhileOrdersComeAsync(own, async (servers, sale) =>
        {
            var (master, replica) = await servers.Redis.RolesAsync(_cancellation);
            await using var copy = await ConnectionMultiplexer.ConnectAsync(replica.ConnectionString);
            var buyer = sale.NewClicks(1, SaleOnTrial.LimitPerUser - 1)[0];
            await sale.SendAsync([buyer]);
            await Deadline.UntilAsync(CopiedUnitsAsync, units => units == $"{buyer.Quantity}", _cancellation);
            await servers.Redis.StopFollowingAsync(_cancellation);
            var last = buyer with { Quantity = 1, Number = Guid.NewGuid().ToString() };
            await sale.SendAsync([last]);
            Assert.True(sale.Queued.ContainsKey(buyer) && sale.Queued.ContainsKey(last), "The buyer has not got up to the limit.");
            await sale.WriteOneEachAsync(NodeFaults.WrittenWithinMs);
            Assert.Equal($"{buyer.Quantity}", await CopiedUnitsAsync());

            master.Kill();
            using var client = servers.System.Client();
            var beyond = await Deadline.UntilAsync(
                () => client.BuyAsync(buyer.Token, buyer.SkuId, _cancellation, clientOrderNo: "beyond"),
                answer => (int)answer.Status < 500, _cancellation, NodeFaults.WrittenWithinMs);

            output.WriteLine($"beyond the limit: {beyond.Status} {beyond.Body}");
            if (beyond.Status == HttpStatusCode.OK)
            {
                var outcome = await client.OutcomeAsync(buyer.Token, buyer.SkuId, _cancellation, "beyond");
                Assert.Equal(("FAILED", "limit reached"), (outcome.Text("status"), outcome.Text("reason")));
            }
            else
            {
                Assert.Equal("limit reached", beyond.Error);
            }

            await WriteAsync(sale, "after a promotion");

            async Task<string?> CopiedUnitsAsync() =>
                ((string?)await copy.GetDatabase().HashGetAsync(
                    new SkuKeys(buyer.SkuId).Buyers, buyer.UserId, CommandFlags.DemandReplica))?.Split('|')[0];
        });
    }

    /// <summary>Otherwise the promise could hold by chance, and a broken one would go unnoticed.</summary>
    [Fact(Explicit = true)]
    public async Task An_Api_that_knows_one_Redis_alone_is_found_out()
    {
        await using var own = await RedundantSystem.Servers.StartAsync();
        var (master, _) = await own.Redis.RolesAsync(_cancellation);
        await own.EndAllAsync(own.System.Apis);
        await own.System.StartApiAsync(_cancellation, settings: [("ConnectionStrings__redis", master.ConnectionString)]);
        var sale = await SaleOnTrial.OpenAsync(own, _cancellation);

        var broken = await Assert.ThrowsAnyAsync<Exception>(() => RunAsync(own, sale, (Node.RedisMaster, Fault.Kill)));

        Assert.Contains("clicks were not queued within", broken.Message, StringComparison.Ordinal);
    }

    private async Task RunAsync(RedundantSystem.Servers servers, SaleOnTrial sale, params (Node Node, Fault Fault)[] faults)
    {
        var nodes = new NodeFaults(servers, sale, output, _cancellation);
        foreach (var (node, fault) in faults)
        {
            var started = Stopwatch.GetTimestamp();
            output.WriteLine($"{fault} {node}");
            await nodes.RunAsync(node, fault);
            output.WriteLine($"through after {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s");
        }
    }

    private async Task WriteAsync(SaleOnTrial sale, string when)
    {
        var started = Stopwatch.GetTimestamp();
        await sale.WriteOneEachAsync(NodeFaults.WrittenWithinMs);
        output.WriteLine($"{when}: written after {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s");
    }

    /// <summary>Also checks that nothing is lost or doubled, and that no buyer waits long.</summary>
    private async Task WhileOrdersComeAsync(RedundantSystem.Servers servers, Func<RedundantSystem.Servers, SaleOnTrial, Task> act)
    {
        var sale = await SaleOnTrial.OpenAsync(servers, _cancellation);
        using var enough = new CancellationTokenSource();
        var load = Task.Run(
            async () =>
            {
                while (!enough.IsCancellationRequested)
                {
                    await sale.RushAsync(ClicksAtOnce);
                    await Task.Delay(PaceMs, _cancellation);
                }
            }, _cancellation);
        try
        {
            await act(servers, sale);
        }
        finally
        {
            await enough.CancelAsync();
            await load;
        }

        await sale.RepeatUnansweredAsync();
        Assert.InRange(sale.SlowestAnswerMs, 0, AnsweredWithinMs);
        Assert.Empty(sale.Refused);
        var outcomes = await sale.OutcomesAsync();
        Assert.Equal(sale.Clicks.Distinct().Count(), outcomes.GetValueOrDefault("SUCCESS"));
        var ids = string.Join(',', sale.Skus.Select(sku => sku.SkuId));
        await Deadline.UntilAsync(
            () => servers.System.CountAsync($"SELECT COUNT(*) FROM order_items WHERE sku_id IN ({ids})", _cancellation),
            written => written >= outcomes["SUCCESS"], _cancellation, TimeoutMs);
        await sale.AssertConservedAsync(outcomes);
        output.WriteLine($"{outcomes["SUCCESS"]} orders; the slowest answer took {sale.SlowestAnswerMs:F0} ms");
    }
}
