using System.Data;
using System.Net.Http.Headers;
using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Operations;

/// <summary>An operator who disconnects in the middle of a call cancels no load: it would leave a gate closed.</summary>
[Collection(OperationsTests.Name)]
public sealed class DisconnectedOperatorTests(OperationsFixture servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/ops/warm-up")]
    [InlineData("/api/ops/reconciliation/repair?apply=true")]
    public async Task The_gate_is_loaded_to_the_end(string path)
    {
        await servers.PurgeAsync();
        await using var api = servers.StartApi(("Catalogue:CheckEveryMs", "3600000"), ("Reconciliation:EveryMs", "3600000"));
        var sku = new SkuKeys(await servers.PutOnSaleAsync(api));
        var recovery = api.Get<StockRecovery>();
        // The loader may have been asked about the new sale once more and be faster than the call, which then has nothing to do.
        await Deadline.UntilAsync(
            async () =>
            {
                await recovery.CloseAsync(sku, Cancelled);
                return await LeavesDuringAsync(api, path);
            },
            left => left, Cancelled);
        await Deadline.UntilAsync(() => recovery.SnapshotAsync(sku, 0, Cancelled), snapshot => !snapshot.Closed, Cancelled);
    }

    /// <summary>Calls, and disconnects while the call waits for its audit entry; false when it has ended without one.</summary>
    private async Task<bool> LeavesDuringAsync(ApiHost api, string path)
    {
        await using var store = servers.OpenStore();
        using var operatorLeaves = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", api.Operator);
        Task<HttpResponseMessage> answer;
        await using (await store.Database.BeginTransactionAsync(IsolationLevel.RepeatableRead, Cancelled))
        {
            await store.Database.ExecuteSqlRawAsync("SELECT id FROM ops_audit FOR UPDATE", Cancelled);
            answer = api.Client.SendAsync(request, operatorLeaves.Token);
            await Deadline.UntilAsync(
                async () => answer.IsCompleted || await servers.LockWaitsAsync() > 0, isDecided => isDecided, Cancelled);
            await operatorLeaves.CancelAsync();
        }

        try
        {
            using var response = await answer;
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
    }
}
