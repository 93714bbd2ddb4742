using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Seckill.Api;
using Seckill.Api.Catalogue;
using Seckill.Api.WarmUp;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Operations;

/// <summary>The loader checks at once on an event of the Redis client, long before its next round.</summary>
[Collection(OperationsTests.Name)]
public sealed class LoaderEventTests(OperationsFixture servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(nameof(IConnectionMultiplexer.ConfigurationChanged))]
    [InlineData(nameof(IConnectionMultiplexer.ConnectionRestored))]
    public async Task A_counter_that_is_gone_is_loaded_when_the_client_says(string name)
    {
        long skuId;
        await using (var api = servers.StartApi())
        {
            skuId = await servers.PutOnSaleAsync(api);
        }

        var store = await servers.HistoryServersAsync(LedgerScripts.Load());
        var redis = ListenedRedis.Of(store.Redis);
        await using var parts = store.Build(
            redis, new Lifeline(),
            services =>
            {
                services.AddCatalogue();
                services.AddPublishing();
                services.AddGate();
                services.AddReconciliation();
            },
            ("Catalogue:CheckEveryMs", "3600000"), ("Catalogue:DrainWaitMsMax", "0"));
        var loader = parts.GetRequiredService<StockLoader>();
        await parts.GetRequiredService<SaleCatalogue>().RefreshAsync(Cancelled);
        await loader.StartAsync(Cancelled);
        try
        {
            await Deadline.UntilAsync(
                () => Task.FromResult(parts.GetRequiredService<StockWarmUp>().HasOtherTerms(skuId)), other => !other, Cancelled);
            await servers.Redis.KeyDeleteAsync(new SkuKeys(skuId).All);

            ((ListenedRedis)(object)redis).Raise(name);

            await Deadline.UntilAsync(() => servers.Redis.KeyExistsAsync(new SkuKeys(skuId).Stock), loaded => loaded, Cancelled);
        }
        finally
        {
            await loader.StopAsync(Cancelled);
        }
    }

    /// <summary>The client, whose events the test raises.</summary>
    [System.Diagnostics.CodeAnalysis.SuppressMessage(
        "Performance", "CA1852", Justification = "DispatchProxy derives a class from it.")]
    private class ListenedRedis : DispatchProxy
    {
        private readonly Dictionary<string, Delegate?> _listeners = [];
        private IConnectionMultiplexer _real = null!;

        public static IConnectionMultiplexer Of(IConnectionMultiplexer real)
        {
            var redis = Create<IConnectionMultiplexer, ListenedRedis>();
            ((ListenedRedis)(object)redis)._real = real;
            return redis;
        }

        public void Raise(string name) => _listeners[name]!.DynamicInvoke(this, null);

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            if (!targetMethod!.Name.StartsWith("add_", StringComparison.Ordinal))
            {
                return targetMethod.Invoke(_real, args);
            }

            var name = targetMethod.Name["add_".Length..];
            _listeners[name] = Delegate.Combine(_listeners.GetValueOrDefault(name), (Delegate?)args![0]);
            return null;
        }
    }
}
