using RabbitMQ.Client;
using Seckill.Ordering.Contract;

namespace Seckill.Ordering.Unreadable;

/// <summary>A message that the client cannot deliver.</summary>
/// <param name="Reason">Why the client cannot read it.</param>
/// <param name="BodyHead">The beginning of its body, at most <see cref="UnreadableMessages.BodyHeadBytesMax"/> bytes.</param>
/// <param name="BodyBytes">Bytes of the whole body.</param>
public sealed record UnreadableMessage(string Reason, byte[] BodyHead, ulong BodyBytes);

/// <summary>
/// Finds messages at a queue's head over which the client drops its connection (undecodable properties, a body above its limit), so that
/// they can be moved out of the way. The other messages go back to their places.
/// </summary>
public sealed class UnreadableMessages(IConnectionFactory connections)
{
    /// <summary>Bytes kept of such a message's body.</summary>
    public const int BodyHeadBytesMax = 65_536;

    /// <summary>
    /// Maximum bytes of all properties. Larger properties can nest lists so deeply that decoding them overflows the stack, which ends the
    /// process.
    /// </summary>
    private const int PropertiesBytesMax = 65_536;

    /// <summary>Deadline of one pass over a queue's head.</summary>
    private const int PassTimeoutMs = 30_000;

    /// <summary>Looks through the first messages and hands over the unreadable ones.</summary>
    /// <param name="endpoint">The broker.</param>
    /// <param name="queue">The queue.</param>
    /// <param name="countMax">Messages to look at.</param>
    /// <param name="keepAsync">Stores one elsewhere; false lets the broker dead-letter it. If it throws, the message stays.</param>
    /// <param name="cancellationToken">Ends the pass.</param>
    /// <returns>The number of messages taken off the queue.</returns>
    /// <exception cref="IOException">The broker gave an unexpected answer.</exception>
    /// <exception cref="OperationCanceledException">The pass took too long, or the token fired.</exception>
    public async Task<int> TakeAsync(
        AmqpTcpEndpoint endpoint, string queue, int countMax, Func<UnreadableMessage, CancellationToken, Task<bool>> keepAsync,
        CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(PassTimeoutMs);
        await using var connection = await RawAmqpConnection.OpenAsync(endpoint, connections, deadline.Token);
        var taken = 0;
        for (var looked = 0; looked < countMax; looked++)
        {
            if (await connection.GetAsync(queue, BodyHeadBytesMax, deadline.Token) is not { } message)
            {
                break;
            }

            if (FaultOf(message) is not { } fault)
            {
                continue;
            }

            if (await keepAsync(new UnreadableMessage(fault, message.BodyHead, message.BodyBytes), deadline.Token))
            {
                await connection.AckAsync(message.DeliveryTag, deadline.Token);
            }
            else
            {
                await connection.RejectAsync(message.DeliveryTag, deadline.Token);
            }

            taken++;
        }

        await connection.CloseAsync(deadline.Token);
        return taken;
    }

    /// <summary>
    /// Whether a connection ended because the client could not read a message, and not because the network or the broker went away.
    /// </summary>
    public static bool IsSuspectedOf(RabbitMQ.Client.Events.ShutdownEventArgs end) =>
        end.Initiator == ShutdownInitiator.Library
        && end.Exception is not (
            null or IOException or OperationCanceledException or System.Net.Sockets.SocketException or ObjectDisposedException);

    /// <summary>The part that the client cannot decode; null for a readable message.</summary>
    private static string? FaultOf(RawMessage message)
    {
        if (message.BodyBytes > OrderTopology.MessageBytesMax)
        {
            return $"body has {message.BodyBytes} bytes, more than {OrderTopology.MessageBytesMax}";
        }

        if (message.Properties.Length > PropertiesBytesMax)
        {
            return $"properties have {message.Properties.Length} bytes, more than {PropertiesBytesMax}";
        }

        try
        {
            _ = new ReadOnlyBasicProperties(message.Properties);
            return null;
        }
        catch (Exception exception)
        {
            // The client throws any exception that a bad length or type leads to.
            return $"properties cannot be decoded: {exception.Message}";
        }
    }
}
