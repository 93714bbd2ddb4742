using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Tests.Operations;

/// <summary>Two refreshes of the catalogue at the same time.</summary>
[Collection(OperationsTests.Name)]
public sealed class CatalogueRefreshTests(OperationsFixture servers)
{
    /// <summary>Longer than a refresh takes.</summary>
    private const int PatienceMs = 1_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_read_from_before_a_sale_was_added_does_not_take_it_out_again()
    {
        await using var api = servers.StartApi();
        var store = await servers.HistoryServersAsync(LedgerScripts.Load());
        var held = new HeldRead();
        await using var parts = new ServiceCollection()
            .AddDbContext<OrderingDbContext>(options => options
                .UseMySql(store.MySql, new MySqlServerVersion(new Version(8, 0, 36))).AddInterceptors(held))
            .BuildServiceProvider();
        using var catalogue = new SaleCatalogue(
            parts.GetRequiredService<IServiceScopeFactory>(), new OfferRecorder(TimeProvider.System, NullLogger<OfferRecorder>.Instance),
            Options.Create(new CatalogueOptions()), TimeProvider.System, NullLogger<SaleCatalogue>.Instance);
        var early = catalogue.RefreshAsync(Cancelled);
        await held.Reached.WaitAsync(TimeSpan.FromMilliseconds(Deadline.TimeoutMs), Cancelled);
        var skuId = await servers.PutOnSaleAsync(api);

        // The later one waits for its turn, as long as its caller does.
        using (var impatient = CancellationTokenSource.CreateLinkedTokenSource(Cancelled))
        {
            impatient.CancelAfter(PatienceMs);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => catalogue.RefreshAsync(impatient.Token));
        }

        var late = catalogue.RefreshAsync(Cancelled);
        held.Release();
        await Task.WhenAll(early, late);

        Assert.True(catalogue.IsOnSale(skuId));
    }

    /// <summary>Holds back what the first query has read.</summary>
    private sealed class HeldRead : DbCommandInterceptor
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Reached => _reached.Task;

        public void Release() => _released.TrySetResult();

        public override async ValueTask<DbDataReader> ReaderExecutedAsync(
            DbCommand command, CommandExecutedEventData eventData, DbDataReader result, CancellationToken cancellationToken = default)
        {
            if (_reached.TrySetResult())
            {
                await _released.Task.WaitAsync(cancellationToken);
            }

            return result;
        }
    }
}
