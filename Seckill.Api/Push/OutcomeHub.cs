using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using Seckill.Api.Orders;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Push;

/// <summary>
/// The buyers who wait for an outcome at this instance. The instance's one subscription feeds it. An outcome costs one look-up, and its
/// text is created only when there is a listener for that buyer.
/// </summary>
public sealed class OutcomeHub(IOptions<PushOptions> options)
{
    private readonly ConcurrentDictionary<long, OutcomeListening[]> _listenings = new();
    private int _count;

    public int Count => Volatile.Read(ref _count);

    /// <summary>
    /// Starts listening for a buyer's outcomes of all SKUs; null when the instance or the buyer has reached the limit of listeners.
    /// </summary>
    public OutcomeListening? TryListen(long userId)
    {
        if (Interlocked.Increment(ref _count) <= options.Value.ListenersMax)
        {
            var listening = new OutcomeListening(this, userId);
            var ours = _listenings.AddOrUpdate(
                userId,
                static (_, added) => [added.Listening],
                static (_, others, added) => others.Length < added.Max ? [.. others, added.Listening] : others,
                (Listening: listening, Max: options.Value.ListenersPerUserMax));
            if (ours.Contains(listening))
            {
                return listening;
            }
        }

        Interlocked.Decrement(ref _count);
        return null;
    }

    /// <summary>Passes one line of the outcome channel on to its listeners.</summary>
    /// <exception cref="FormatException">The line is malformed.</exception>
    public void Tell(long skuId, ReadOnlySpan<char> line)
    {
        if (!_listenings.TryGetValue(Reservation.UserIdOfOutcome(line), out var listenings))
        {
            return;
        }

        var outcome = OrderStatusReader.ToResponse(skuId, Reservation.ParseOutcome(line));
        foreach (var listening in listenings)
        {
            listening.Tell(outcome);
        }
    }

    internal void End(OutcomeListening listening)
    {
        while (_listenings.TryGetValue(listening.UserId, out var ours))
        {
            OutcomeListening[] rest = [.. ours.Where(other => other != listening)];
            var ended = rest.Length == 0
                ? _listenings.TryRemove(KeyValuePair.Create(listening.UserId, ours))
                : _listenings.TryUpdate(listening.UserId, rest, ours);
            if (ended)
            {
                Interlocked.Decrement(ref _count);
                return;
            }
        }
    }
}

/// <summary>
/// The outcomes for one open connection; the oldest is dropped when a reader is so slow that <see cref="WaitingMax"/> wait.
/// </summary>
public sealed class OutcomeListening(OutcomeHub hub, long userId) : IDisposable
{
    /// <summary>A page that misses an outcome queries the state of its open orders.</summary>
    private const int WaitingMax = 64;

    private readonly Channel<OrderStatusResponse> _outcomes = Channel.CreateBounded<OrderStatusResponse>(
        new BoundedChannelOptions(WaitingMax) { SingleReader = true, FullMode = BoundedChannelFullMode.DropOldest });

    private int _ended;

    public long UserId => userId;

    public ChannelReader<OrderStatusResponse> Outcomes => _outcomes.Reader;

    public void Tell(OrderStatusResponse outcome) => _outcomes.Writer.TryWrite(outcome);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
        {
            hub.End(this);
        }
    }
}
