using System.Data;
using System.Diagnostics;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using MySqlConnector;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Store;
using Seckill.Ordering.Telemetry;
using Seckill.OrderWorker.Batches;
using Seckill.ServiceDefaults.Connections;

namespace Seckill.OrderWorker.Writing;

/// <summary>
/// One READ COMMITTED transaction for many orders, with four round trips for any number of orders, in one of two ways. The quick way
/// inserts first and deducts last, so that a hot SKU's row is locked only for the deduction and the commit while other transactions
/// insert. It relies on the unique indexes to find orders that were written before, and anything unexpected rolls it back. The careful way
/// locks the SKU rows in id order first, looks up the orders, decides and writes. Both bypass EF's change tracker, which would insert 500
/// orders with 500 tracked entities and twelve statements.
/// </summary>
internal sealed class BatchTransaction(
    IServiceScopeFactory scopes, PulseCounters counters, IOptions<WorkerOptions> options, TimeProvider time)
{
    /// <summary>Most links of one span; OpenTelemetry's default drops any more.</summary>
    private const int LinkCountMax = 128;

    /// <summary>Part of a packet used for rows: one half; the rest is for the other parts of a command.</summary>
    private const int PacketShare = 2;

    private readonly OfferLookUp _offers = new();
    private readonly WorkerOptions _options = options.Value;

    /// <summary>Size of a command until the server has reported its limit, bytes.</summary>
    private const int CommandBytesUnsaid = 262_144;

    /// <summary>Largest size of a command, bytes; 0 until the server has reported its limit, and after each failure.</summary>
    private int _commandBytesMax;

    /// <summary>
    /// The quick way: writes the orders and gives each its verdict. Writes none of them and returns false when one must be refused, an
    /// order was refused before, or a SKU's stock or epoch changed between reading and deducting.
    /// </summary>
    /// <exception cref="MySqlException">Nothing was written, for example because an order was written before; or everything, if the
    /// connection broke at the commit.</exception>
    public Task<bool> TryWriteAsync(IReadOnlyList<OrderInHand> orders, CancellationToken cancellationToken) =>
        RunAsync(orders, TryWriteAsync, cancellationToken);

    /// <summary>The careful way: writes the orders, or none of them, and gives each its verdict.</summary>
    /// <exception cref="MySqlException">Nothing was written; or everything, if the connection broke at the commit: the next try finds
    /// out.</exception>
    public Task WriteLockedAsync(IReadOnlyList<OrderInHand> orders, CancellationToken cancellationToken) =>
        RunAsync(orders, WriteLockedAsync, cancellationToken);

    /// <summary>Commits the work of <paramref name="writeAsync"/>, unless it returns null.</summary>
    private async Task<bool> RunAsync(
        IReadOnlyList<OrderInHand> orders,
        Func<IReadOnlyList<OrderInHand>, MySqlTransaction, CancellationToken, Task<BatchPlan?>> writeAsync,
        CancellationToken cancellationToken)
    {
        using var span = StartSpan(orders);
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrderingDbContext>().Database;
        try
        {
            await database.OpenConnectionAsync(cancellationToken);
            var connection = (MySqlConnection)database.GetDbConnection();
            await AskForCommandSizeAsync(connection, cancellationToken);
            await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
            if (await writeAsync(orders, transaction, cancellationToken) is not { } plan)
            {
                await transaction.RollbackAsync(cancellationToken);
                span?.SetTag("seckill.batch.looked_again", true);
                return false;
            }

            // The quick way has already committed on the server; then this only ends the client's own transaction state.
            await transaction.CommitAsync(cancellationToken);
            CrashPoint.Reach(CrashPoint.Committed);

            Conclude(orders, plan, time.GetUtcNow());
            span?.SetTag("seckill.batch.accepted", plan.Accepted.Count);
            span?.SetTag("seckill.batch.rejected", plan.Rejected.Count);
            return true;
        }
        catch (Exception exception)
        {
            // The next connection may lead to another server.
            Volatile.Write(ref _commandBytesMax, 0);
            span?.SetStatus(ActivityStatusCode.Error, exception.Message);
            await MySqlSwitchOver.LeaveIfReadOnlyAsync(database.GetDbConnection(), exception);
            throw;
        }
        finally
        {
            Activity.Current = null;
        }
    }

    private async Task<BatchPlan?> TryWriteAsync(
        IReadOnlyList<OrderInHand> orders, MySqlTransaction transaction, CancellationToken cancellationToken)
    {
        BatchFacts facts;
        await using (var command = Attach(BatchLookUp.Skus(orders), transaction))
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            facts = await BatchLookUp.ReadSkusAsync(reader, cancellationToken);
        }

        var plan = await DecideAsync(orders, facts, transaction, cancellationToken);

        if (plan.Rejected.Count > 0)
        {
            return null;
        }

        try
        {
            await ExecuteAsync(plan, guarded: true, transaction, cancellationToken);
            return plan;
        }
        catch (MySqlException exception) when (exception.ErrorCode == BatchStatements.GuardFailed)
        {
            return null;
        }
    }

    private async Task<BatchPlan?> WriteLockedAsync(
        IReadOnlyList<OrderInHand> orders, MySqlTransaction transaction, CancellationToken cancellationToken)
    {
        BatchFacts facts;
        await using (var command = Attach(BatchLookUp.LockAndLookUp(orders), transaction))
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            facts = await BatchLookUp.ReadFactsAsync(reader, cancellationToken);
        }

        var plan = await DecideAsync(orders, facts, transaction, cancellationToken);
        await ExecuteAsync(plan, guarded: false, transaction, cancellationToken);
        CrashPoint.Reach(CrashPoint.Written);
        return plan;
    }

    private async Task<BatchPlan> DecideAsync(
        IReadOnlyList<OrderInHand> orders, BatchFacts facts, MySqlTransaction transaction, CancellationToken cancellationToken)
    {
        await _offers.AddAsync(orders, facts, transaction, _options.CommandTimeoutSeconds, cancellationToken);
        return BatchPlan.Decide(orders, facts);
    }

    private async Task ExecuteAsync(BatchPlan plan, bool guarded, MySqlTransaction transaction, CancellationToken cancellationToken)
    {
        var paymentWindow = TimeSpan.FromMinutes(_options.PaymentWindowMinutes);
        // Another batch may have failed and reset the limit.
        var commandBytesMax = Volatile.Read(ref _commandBytesMax) is > 0 and var size ? size : CommandBytesUnsaid;
        foreach (var command in BatchStatements.Write(plan, paymentWindow, guarded, commandBytesMax))
        {
            await using (Attach(command, transaction))
            {
                await command.ExecuteNonQueryAsync(cancellationToken);
            }
        }
    }

    private async Task AskForCommandSizeAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _commandBytesMax) > 0)
        {
            return;
        }

        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT @@max_allowed_packet";
        command.CommandTimeout = _options.CommandTimeoutSeconds;
        var packet = Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture);
        Volatile.Write(ref _commandBytesMax, (int)Math.Clamp(packet / PacketShare, 1, BatchStatements.CommandBytesMax));
    }

    private MySqlCommand Attach(MySqlCommand command, MySqlTransaction transaction)
    {
        command.Connection = transaction.Connection;
        command.Transaction = transaction;
        command.CommandTimeout = _options.CommandTimeoutSeconds;
        return command;
    }

    private void Conclude(IReadOnlyList<OrderInHand> orders, BatchPlan plan, DateTimeOffset committedAt)
    {
        WorkerTelemetry.BatchSize.Record(orders.Count);
        counters.Add(PulseCounter.Requests, orders.Count);
        counters.Add(PulseCounter.Committed, plan.Accepted.Count);
        counters.Add(PulseCounter.Rejected, plan.Rejected.Count);
        for (var i = 0; i < orders.Count; i++)
        {
            var (order, verdict) = (orders[i], plan.Verdicts[i]);
            order.Verdict = verdict;
            order.Span?.SetTag("seckill.outcome", verdict?.Kind.ToString());
            if (verdict is { Kind: VerdictKind.Rejected } refused)
            {
                // The buyer's result is FAILED, so sampling keeps the trace.
                order.Span?.SetStatus(ActivityStatusCode.Error, refused.Detail);
            }

            if (verdict is { Kind: VerdictKind.Accepted } && order.Message.ReservedAtMs is not null)
            {
                // Redis's clock and ours may differ; a click is never after its commit.
                var latency = TimeSpan.FromTicks(Math.Max(0, (committedAt - order.ReservedAt).Ticks));
                WorkerTelemetry.CommitLatency.Record(latency.TotalSeconds);
                counters.AddClickToCommit(latency.TotalMilliseconds);
            }
        }
    }

    /// <summary>A separate trace, linked both ways with the traces of its orders: many clicks caused it, none is its parent.</summary>
    private static Activity? StartSpan(IReadOnlyList<OrderInHand> orders)
    {
        Activity.Current = null;
        var links = orders.Where(order => order.Span is not null).Take(LinkCountMax).Select(order => new ActivityLink(order.Span!.Context));
        var span = WorkerTelemetry.Source.StartActivity("write batch", ActivityKind.Internal, parentContext: default, links: links);
        span?.SetTag("seckill.batch.size", orders.Count);
        if (span is not null)
        {
            foreach (var order in orders)
            {
                order.Span?.SetTag("seckill.order_id", order.OrderId);
                order.Span?.AddLink(new ActivityLink(span.Context));
            }
        }

        return span;
    }
}
