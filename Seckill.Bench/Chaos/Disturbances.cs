using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using MySqlConnector;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Seckill.Ordering.Contract;

namespace Seckill.Bench.Chaos;

/// <summary>
/// Disturbances from outside: messages in the order queue that can never become orders, and locks on a SKU's row
/// in MySQL. Neither may delay the good orders of other SKUs.
/// </summary>
public sealed class Disturbances(ChaosSystem system, IReadOnlyList<ChaosSale> sales, ChaosOptions options, ChaosLog log)
{
    /// <summary>Part of the body of each bad message.</summary>
    public const string Mark = "chaos-bad-message";

    private const int MessageEveryMs = 500;
    private const int LockEveryMs = 5_000;
    private const int LockMsMax = 8_000;
    private const int TimeoutMs = 5_000;

    private readonly ConcurrentQueue<string> _badMessages = new();
    private int _lockCount;

    /// <summary>The bodies that the broker confirmed.</summary>
    public IReadOnlyCollection<string> BadMessages => _badMessages;

    /// <summary>How often a row was locked.</summary>
    public int LockCount => Volatile.Read(ref _lockCount);

    public Task RunAsync(CancellationToken cancellationToken) => !options.Disturbed
        ? Task.CompletedTask
        : Task.WhenAll(
            RepeatAsync(PublishAsync, MessageEveryMs, cancellationToken), RepeatAsync(LockAsync, LockEveryMs, cancellationToken));

    /// <summary>The server may be down at any time; the next turn then tries again.</summary>
    private async Task RepeatAsync(Func<Random, CancellationToken, Task> disturbAsync, int everyMs, CancellationToken cancellationToken)
    {
        var random = new Random(options.Seed);
        while (!cancellationToken.IsCancellationRequested)
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            deadline.CancelAfter(TimeoutMs + LockMsMax);
            try
            {
                await disturbAsync(random, deadline.Token);
            }
            catch (Exception exception) when (exception is RabbitMQClientException or MySqlException or IOException or TimeoutException
                or OperationCanceledException or InvalidOperationException)
            {
                log.Write("chaos", $"no disturbance: {exception.Message}");
            }

            await Task.Delay(random.Next(everyMs), cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task PublishAsync(Random random, CancellationToken cancellationToken)
    {
        var body = BodyOf(random);
        var factory = new ConnectionFactory
        {
            Uri = new Uri(system.RabbitMq),
            AutomaticRecoveryEnabled = false,
            RequestedConnectionTimeout = TimeSpan.FromMilliseconds(TimeoutMs),
        };
        await using var connection = await factory.CreateConnectionAsync("chaos producer", cancellationToken);
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), cancellationToken);
        var properties = new BasicProperties { Persistent = true, MessageId = random.Next(2) == 0 ? new string('m', 250) : null };
        await channel.BasicPublishAsync(
            OrderTopology.Exchange, OrderTopology.RoutingKey, mandatory: true, properties, Encoding.UTF8.GetBytes(body), cancellationToken);
        _badMessages.Enqueue(body);
    }

    private string BodyOf(Random random)
    {
        var mark = string.Create(CultureInfo.InvariantCulture, $"{Mark} {random.NextInt64()}");
        var sku = sales[random.Next(sales.Count)].SkuId;
        return random.Next(3) switch
        {
            0 => mark,
            1 => $$"""{"user_id":1,"sku_id":{{sku}},"quantity":0,"client_order_no":"{{mark}}"}""",
            _ => $$"""[{"user_id":1,"sku_id":{{sku}},"quantity":1,"client_order_no":"{{mark}}"}""",
        };
    }

    private async Task LockAsync(Random random, CancellationToken cancellationToken)
    {
        var skuId = sales[random.Next(sales.Count)].SkuId;
        await using var connection = await system.OpenMySqlAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var command = new MySqlCommand(
            "SELECT id FROM product_skus WHERE id = @sku FOR UPDATE", connection, transaction);
        command.Parameters.AddWithValue("@sku", skuId);
        await command.ExecuteScalarAsync(cancellationToken);
        log.Write("chaos", string.Create(CultureInfo.InvariantCulture, $"locks the row of {skuId}"));
        Interlocked.Increment(ref _lockCount);
        await Task.Delay(random.Next(LockMsMax), cancellationToken);
        await transaction.RollbackAsync(cancellationToken);
    }
}
