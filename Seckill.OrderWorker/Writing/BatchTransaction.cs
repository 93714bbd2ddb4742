using System.Data;
using System.Diagnostics;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using MySqlConnector;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Store;
using Seckill.Ordering.Telemetry;
using Seckill.OrderWorker.Consuming;

namespace Seckill.OrderWorker.Writing;

/// <summary>
/// One READ COMMITTED transaction for many orders: lock the SKU rows in id order, look up what is known of the orders, decide, write,
/// commit. Four round trips however many orders. Past EF's change tracker: it would insert 500 orders with 500 tracked entities and twelve
/// statements.
/// </summary>
internal sealed class BatchTransaction(IServiceScopeFactory scopes, PulseCounters counters, IOptions<WorkerOptions> options, TimeProvider time)
{
    /// <summary>Links of one span; what is above is cut off by OpenTelemetry's own default.</summary>
    private const int LinkCountMax = 128;

    private readonly WorkerOptions _options = options.Value;

    /// <summary>
    /// Writes the orders, or none of them, and gives each its verdict. Without <paramref name="lookUp"/> it trusts the unique indexes to
    /// stop what was written before, which saves the look-up of every order; the caller tries again with it after a
    /// collision.
    /// </summary>
    /// <exception cref="MySqlException">Nothing was written; or all, if the connection broke at the commit: the next try will see.</exception>
    public async Task RunAsync(IReadOnlyList<OrderInHand> orders, bool lookUp, CancellationToken cancellationToken)
    {
        using var span = StartSpan(orders);
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var database = scope.ServiceProvider.GetRequiredService<OrderingDbContext>().Database;
            await database.OpenConnectionAsync(cancellationToken);
            var connection = (MySqlConnection)database.GetDbConnection();
            await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);

            var plan = BatchPlan.Decide(orders, await LockAndLookUpAsync(orders, lookUp, connection, transaction, cancellationToken));
            if (!lookUp && plan.Rejected.Count > 0)
            {
                // No index would stop the refusal of an order that was written before: look before refusing.
                plan = BatchPlan.Decide(orders, await LockAndLookUpAsync(orders, withOrders: true, connection, transaction, cancellationToken));
            }

            await WriteAsync(plan, time.GetUtcNow(), connection, transaction, cancellationToken);
            CrashPoint.Reach(CrashPoint.Written);
            await transaction.CommitAsync(cancellationToken);
            CrashPoint.Reach(CrashPoint.Committed);

            Conclude(orders, plan, time.GetUtcNow());
            span?.SetTag("seckill.batch.accepted", plan.Accepted.Count);
            span?.SetTag("seckill.batch.rejected", plan.Rejected.Count);
        }
        catch (Exception exception)
        {
            span?.SetStatus(ActivityStatusCode.Error, exception.Message);
            throw;
        }
        finally
        {
            Activity.Current = null;
        }
    }

    /// <summary>Opens a connection and asks the server something.</summary>
    /// <exception cref="MySqlException">The server does not answer.</exception>
    public async Task PingAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<OrderingDbContext>().SnowflakeNodes.AnyAsync(cancellationToken);
    }

    private async Task<BatchFacts> LockAndLookUpAsync(
        IReadOnlyList<OrderInHand> orders, bool withOrders, MySqlConnection connection, MySqlTransaction transaction, CancellationToken cancellationToken)
    {
        await using var command = BatchStatements.LockAndLookUp(orders, withOrders);
        Attach(command, connection, transaction);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await BatchStatements.ReadFactsAsync(reader, withOrders, cancellationToken);
    }

    private async Task WriteAsync(
        BatchPlan plan, DateTimeOffset now, MySqlConnection connection, MySqlTransaction transaction, CancellationToken cancellationToken)
    {
        foreach (var command in BatchStatements.Write(plan, now.UtcDateTime, TimeSpan.FromMinutes(_options.PaymentWindowMinutes)))
        {
            await using (command)
            {
                Attach(command, connection, transaction);
                await command.ExecuteNonQueryAsync(cancellationToken);
            }
        }
    }

    private void Attach(MySqlCommand command, MySqlConnection connection, MySqlTransaction transaction)
    {
        command.Connection = connection;
        command.Transaction = transaction;
        command.CommandTimeout = _options.CommandTimeoutSeconds;
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
                // What the buyer is told is FAILED, so sampling keeps it.
                order.Span?.SetStatus(ActivityStatusCode.Error, refused.Detail);
            }

            if (verdict is { Kind: VerdictKind.Accepted } && order.Message.ReservedAtMs is not null)
            {
                // Two clocks, Redis's and ours: a click is never after its commit.
                var latency = TimeSpan.FromTicks(Math.Max(0, (committedAt - order.ReservedAt).Ticks));
                WorkerTelemetry.CommitLatency.Record(latency.TotalSeconds);
                counters.AddClickToCommit(latency.TotalMilliseconds);
            }
        }
    }

    /// <summary>A trace of its own, linked with the traces of its orders both ways: many clicks caused it, none is its parent.</summary>
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
