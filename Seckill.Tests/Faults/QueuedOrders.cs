using System.Text.Json;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Faults;

/// <summary>The orders waiting in the order queue; one message may hold many.</summary>
internal static class QueuedOrders
{
    /// <summary>Takes all messages, unacked; those that the caller does not ack go back when the channel closes.</summary>
    public static async Task<IReadOnlyList<BasicGetResult>> TakeAllAsync(IChannel channel, CancellationToken cancellationToken)
    {
        var messages = new List<BasicGetResult>();
        while (await channel.BasicGetAsync(OrderTopology.Queue, autoAck: false, cancellationToken) is { } message)
        {
            messages.Add(message);
        }

        return messages;
    }

    public static int In(BasicGetResult message)
    {
        using var body = JsonDocument.Parse(message.Body);
        return body.RootElement.ValueKind == JsonValueKind.Array ? body.RootElement.GetArrayLength() : 1;
    }

    /// <summary>Orders in the queue; they are taken and given back.</summary>
    public static async Task<int> CountAsync(IConnection connection, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        return (await TakeAllAsync(channel, cancellationToken)).Sum(In);
    }
}
