using System.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using MySqlConnector;
using Seckill.Ordering.Store;
using Seckill.OrderWorker.Batches;
using Seckill.ServiceDefaults.Connections;

namespace Seckill.OrderWorker.Writing;

/// <summary>Finds out, after a batch has failed, whether MySQL or something in the batch is the cause. Changes nothing.</summary>
internal sealed partial class StoreProbe(IServiceScopeFactory scopes, IOptions<WorkerOptions> options, ILogger<StoreProbe> logger)
{
    /// <summary>Lowest id of a probe; all probe ids are below those of real orders.</summary>
    private const long ProbeIdMin = -1_000_000_000_000;

    /// <summary>SKUs of the orders whose rows another client has locked; none when the server does not answer.</summary>
    public async Task<IReadOnlySet<long>> LockedSkusAsync(IReadOnlyList<OrderInHand> orders, CancellationToken cancellationToken)
    {
        try
        {
            var ids = string.Join(',', orders.Select(order => order.Message.SkuId).Distinct());
            return await RunAsync(
                async command =>
                {
                    // The settings bound how long these locks last if this worker freezes here.
                    command.CommandText =
                        $"{BatchLookUp.SessionSettings}SELECT id FROM product_skus WHERE id IN ({ids}) FOR UPDATE SKIP LOCKED";
                    var free = await ReadIdsAsync(command, cancellationToken);
                    command.CommandText = $"SELECT id FROM product_skus WHERE id IN ({ids})";
                    var locked = await ReadIdsAsync(command, cancellationToken);
                    locked.ExceptWith(free);
                    return locked;
                },
                cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogFailed(exception.Message);
            return new HashSet<long>();
        }
    }

    /// <summary>
    /// Whether an ordinary order could be written: does what a batch does, with an order that nobody has, and rolls it back. No real SKU is
    /// touched, because its row alone may be the cause.
    /// </summary>
    public async Task<bool> CanWriteAsync(CancellationToken cancellationToken)
    {
        try
        {
            var id = Random.Shared.NextInt64(ProbeIdMin, 0);
            return await RunAsync(
                async command =>
                {
                    command.CommandText = $"""
                        {BatchLookUp.SessionSettings}
                        SELECT i.quantity FROM order_items i{BatchLookUp.ByBuyer}WHERE i.sku_id = 0 AND i.user_id = 0;
                        INSERT INTO orders (id, order_sn, user_id, status, total_amount, pay_amount, gate_epoch, trace_id,
                          reserved_at, picked_up_at, created_at, expires_at) VALUES
                          ({id}, '{id}', 0, 0, 0, 0, 0, '', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6));
                        INSERT INTO order_items (order_id, user_id, product_id, sku_id, title, image, price, quantity, attrs) VALUES
                          ({id}, 0, 0, 0, '', '', 0, 1, '');
                        INSERT INTO order_rejections (order_id, user_id, sku_id, quantity, reason, trace_id, created_at) VALUES
                          ({id}, 0, 0, 1, '', '', UTC_TIMESTAMP(6));
                        UPDATE product_skus SET stock = stock WHERE id = 0;
                        """;
                    await command.ExecuteNonQueryAsync(cancellationToken);
                    return true;
                },
                cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogFailed(exception.Message);
            return false;
        }
    }

    /// <summary>Runs the queries in a transaction that is rolled back.</summary>
    private async Task<T> RunAsync<T>(Func<MySqlCommand, Task<T>> ask, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrderingDbContext>().Database;
        var connection = (MySqlConnection)database.GetDbConnection();
        try
        {
            await database.OpenConnectionAsync(cancellationToken);
            await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
            await using var command = connection.CreateCommand();
            command.Transaction = transaction;
            command.CommandTimeout = options.Value.CommandTimeoutSeconds;
            var answer = await ask(command);
            await transaction.RollbackAsync(cancellationToken);
            return answer;
        }
        catch (Exception exception)
        {
            // Otherwise repeated probes would keep querying a server that is no longer the primary.
            await MySqlSwitchOver.LeaveIfReadOnlyAsync(connection, exception);
            throw;
        }
    }

    private static async Task<HashSet<long>> ReadIdsAsync(MySqlCommand command, CancellationToken cancellationToken)
    {
        var ids = new HashSet<long>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            ids.Add(reader.GetInt64(0));
        }

        return ids;
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "MySQL does not answer a probe either: {Reason}")]
    private partial void LogFailed(string reason);
}
