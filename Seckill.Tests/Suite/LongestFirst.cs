using Seckill.Tests.Bench;
using Seckill.Tests.Browser;
using Seckill.Tests.Chaos;
using Seckill.Tests.EndToEnd;
using Seckill.Tests.Faults;
using Seckill.Tests.Hosting;
using Seckill.Tests.Ledger;
using Seckill.Tests.LocalServers;
using Seckill.Tests.Model;
using Seckill.Tests.Operations;
using Seckill.Tests.ServiceDefaults;
using Seckill.Tests.Suite;
using Seckill.Tests.Worker;
using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(LongestFirst))]

namespace Seckill.Tests.Suite;

/// <summary>
/// Starts with the longest collections, so that none of them runs alone at the end while a core is idle. The rest
/// follows in any order.
/// </summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    /// <summary>
    /// From the output of a full run; the exact order does not matter. The first two mostly wait, so the third place belongs to collections
    /// that keep a core busy.
    /// </summary>
    private static readonly string[] Long =
    [
        nameof(NodeFaultTests), nameof(WorkerServers), nameof(FaultSystem), OperationsTests.Name, nameof(AppHostProcessTests),
        nameof(GateCrashes), nameof(ShopFloor), nameof(RollingUpgradeTests), nameof(ChaosTests), nameof(ProtocolModelTests),
        nameof(OrderCrashes), nameof(ConsoleFloor), nameof(PlantedBugTests), nameof(RunningSystem), nameof(AppHostFixture),
        nameof(RedisHealthTests), nameof(BenchSmokeTests), nameof(RedisSentinelTests), nameof(SentinelFailOverTests),
        nameof(LocalServerTests), nameof(RabbitMQHostsTests), nameof(LedgerModelTests),
    ];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection => [.. testCollections.OrderBy(PlaceOf)];

    private static int PlaceOf<TTestCollection>(TTestCollection collection)
        where TTestCollection : ITestCollection
    {
        // A collection of one class has no name of its own: "Test collection for Seckill.Tests.Chaos.ChaosTests (id: …)".
        var words = collection.TestCollectionDisplayName.Split(' ', '.');
        var place = Array.FindIndex(Long, name => words.Contains(name));
        return place < 0 ? Long.Length : place;
    }
}
