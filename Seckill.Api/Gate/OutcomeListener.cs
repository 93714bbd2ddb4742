using System.Globalization;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.Gate;

/// <summary>
/// Hears what is settled, with one subscription for the instance, and opens the sold-out shield when a SKU has stock again. Hearing is not
/// guaranteed (Redis pub/sub forgets), so the shield also looks for itself.
/// </summary>
public sealed partial class OutcomeListener(IConnectionMultiplexer redis, OrderGate gate, ILogger<OutcomeListener> logger) : IHostedService
{
    private static readonly RedisChannel Outcomes = RedisChannel.Literal(StockLedger.OutcomeChannel);

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await redis.GetSubscriber().SubscribeAsync(Outcomes, Hear).WaitAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            // The subscription is kept by the client and made when Redis answers.
            LogNotYet(exception.Message);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) =>
        redis.IsConnected ? redis.GetSubscriber().UnsubscribeAsync(Outcomes).WaitAsync(cancellationToken) : Task.CompletedTask;

    private void Hear(RedisChannel channel, RedisValue message)
    {
        // SKU, stock, then one settled order a line.
        var text = message.ToString();
        var sku = text.AsSpan(0, Math.Max(0, text.IndexOf('\n', StringComparison.Ordinal)));
        var rest = text.AsSpan(Math.Min(text.Length, sku.Length + 1));
        var stock = rest.IndexOf('\n') is var end and >= 0 ? rest[..end] : rest;
        if (long.TryParse(sku, NumberStyles.None, CultureInfo.InvariantCulture, out var skuId)
            && long.TryParse(stock, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var left)
            && left > 0)
        {
            gate.Reopen(skuId);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The outcome channel is not heard yet: {Reason}")]
    private partial void LogNotYet(string reason);
}
