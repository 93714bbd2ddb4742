using System.Globalization;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;
using Seckill.Ordering.Contract;

namespace Seckill.Api.DeadLetters;

/// <summary>
/// Reads the order ids in the first dead letters without acking any, so the broker gives each consumer no more than its prefetch; the next
/// consumer gets the letters behind these. Without a prefetch a quorum queue gives 2,000 and then no more.
/// </summary>
internal sealed class OrderIdSearch(IChannel channel, long bytesMax)
{
    /// <summary>
    /// Letters that one consumer gets. The client takes in what the broker sends, however slowly it is read here, so this many of the
    /// largest messages (400 MiB) bound the memory; a body is neither copied nor kept. Each consumer costs the queue two round trips.
    /// </summary>
    private const ushort LettersAtOnceMax = 200;

    private readonly HashSet<long> _ids = [];

    /// <summary>Why no further letter comes.</summary>
    private readonly TaskCompletionSource<Exception> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _bytes;

    /// <summary>The delivery tag of the last letter of a consumer that is done; 0 before.</summary>
    public ulong LastTag { get; private set; }

    /// <summary>Reads this many letters; letters that come later are not read.</summary>
    /// <returns>Null when their bodies have more bytes than the limit.</returns>
    public async Task<IReadOnlySet<long>?> RunAsync(long count, CancellationToken cancellationToken)
    {
        channel.CallbackExceptionAsync += (_, args) => Task.FromResult(_failed.TrySetResult(args.Exception));
        channel.ChannelShutdownAsync += (_, args) => Task.FromResult(_failed.TrySetResult(new OperationInterruptedException(args)));
        await channel.BasicQosAsync(prefetchSize: 0, LettersAtOnceMax, global: false, cancellationToken);
        for (var left = count; left > 0 && _bytes <= bytesMax; left -= LettersAtOnceMax)
        {
            await ReadSomeAsync((int)Math.Min(left, LettersAtOnceMax), cancellationToken);
        }

        return _bytes <= bytesMax ? _ids : null;
    }

    private async Task ReadSomeAsync(int count, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var consumer = new AsyncEventingBasicConsumer(channel);
        var read = 0;
        consumer.ReceivedAsync += (_, args) =>
        {
            if (!done.Task.IsCompleted)
            {
                Read(args.Body);
                if (++read == count || _bytes > bytesMax)
                {
                    LastTag = args.DeliveryTag;
                    done.TrySetResult();
                }
            }

            return Task.CompletedTask;
        };
        var tag = await channel.BasicConsumeAsync(OrderTopology.DeadLetterQueue, autoAck: false, consumer, cancellationToken);
        var first = await Task.WhenAny(done.Task, _failed.Task).WaitAsync(cancellationToken);
        if (first == _failed.Task)
        {
            throw await _failed.Task;
        }

        // Otherwise a letter that is returned at the end could come here again.
        await channel.BasicCancelAsync(tag, cancellationToken: cancellationToken);
    }

    private void Read(ReadOnlyMemory<byte> body)
    {
        _bytes += body.Length;
        if (_bytes <= bytesMax)
        {
            _ids.UnionWith(DeadLetterBody.OrderIdsOf(body).Select(id => long.Parse(id, CultureInfo.InvariantCulture)));
        }
    }
}
