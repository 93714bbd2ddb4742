using Seckill.OrderWorker.Consuming;

namespace Seckill.Tests.Operations;

/// <summary>Workers that share a queue share the limit of concurrent transactions.</summary>
[Collection(OperationsTests.Name)]
public sealed class TransactionShareTests(OperationsFixture servers)
{
    [Fact]
    public async Task A_worker_writes_two_batches_at_once_alone_and_one_beside_another()
    {
        await using var one = servers.StartWorker();
        var share = one.Get<TransactionShare>();
        await HasAsync(share, 2);
        await using (var other = servers.StartWorker())
        {
            await HasAsync(share, 1);
            await HasAsync(other.Get<TransactionShare>(), 1);
        }

        await HasAsync(share, 2);
    }

    private static Task<int> HasAsync(TransactionShare share, int transactions) =>
        Deadline.UntilAsync(() => Task.FromResult(share.Transactions), now => now == transactions, TestContext.Current.CancellationToken);
}
