using System.Buffers.Text;
using System.Text;
using Seckill.Api.Gate;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Api.Push;

/// <summary>
/// Receives outcomes, with one subscription for the instance: opens the sold-out shield when a SKU has stock again, and passes outcomes on
/// to the buyers who wait for them here. Delivery is not guaranteed (Redis pub/sub keeps nothing), so the shield also probes by itself, and
/// pages poll.
/// </summary>
public sealed partial class OutcomeListener(
    IConnectionMultiplexer redis, GateLanes lanes, OutcomeHub hub, ILogger<OutcomeListener> logger) : IHostedService
{
    private static readonly RedisChannel Outcomes = RedisChannel.Literal(StockLedger.OutcomeChannel);

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await redis.GetSubscriber().SubscribeAsync(Outcomes, Hear).ReplyAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            // The client keeps the subscription and establishes it once Redis answers.
            LogNotYet(exception.Message);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) =>
        redis.IsConnected ? redis.GetSubscriber().UnsubscribeAsync(Outcomes).ReplyAsync(cancellationToken) : Task.CompletedTask;

    private void Hear(RedisChannel channel, RedisValue message)
    {
        // Lines: the SKU, the stock, then one settled order each. With many SKUs there is a message for nearly each order, so the text is
        // created only for listeners.
        var bytes = ((ReadOnlyMemory<byte>)message).Span;
        if (!TryReadLine(ref bytes, out var skuId) || !TryReadLine(ref bytes, out var left))
        {
            LogNotOurs();
            return;
        }

        if (left > 0)
        {
            lanes.Reopen(skuId);
        }

        if (hub.Count == 0)
        {
            return;
        }

        var lines = Encoding.UTF8.GetString(bytes).AsSpan();
        while (lines.Length > 0)
        {
            TellOne(skuId, Next(ref lines));
        }
    }

    /// <summary>Reads a line that is one number.</summary>
    private static bool TryReadLine(ref ReadOnlySpan<byte> lines, out long number)
    {
        if (!Utf8Parser.TryParse(lines, out number, out var length) || (length < lines.Length && lines[length] != '\n'))
        {
            return false;
        }

        lines = lines[Math.Min(lines.Length, length + 1)..];
        return true;
    }

    private void TellOne(long skuId, ReadOnlySpan<char> line)
    {
        try
        {
            hub.Tell(skuId, line);
        }
        catch (FormatException)
        {
            LogNotOurs();
        }
    }

    private static ReadOnlySpan<char> Next(ref ReadOnlySpan<char> lines)
    {
        var end = lines.IndexOf('\n') is var at and >= 0 ? at : lines.Length;
        var line = lines[..end];
        lines = lines[Math.Min(lines.Length, end + 1)..];
        return line;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The outcome channel carries a line that is not an outcome")]
    private partial void LogNotOurs();

    [LoggerMessage(Level = LogLevel.Warning, Message = "The outcome channel is not subscribed to yet: {Reason}")]
    private partial void LogNotYet(string reason);
}
