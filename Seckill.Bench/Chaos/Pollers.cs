using System.Diagnostics;
using Seckill.Bench.Load;

namespace Seckill.Bench.Chaos;

/// <summary>Pages that poll for the outcome of their orders, less and less often, until they have it.</summary>
public sealed class Pollers(IReadOnlyList<GateClient> gates)
{
    private const int PollerCount = 8;
    private const int FirstDelayMs = 500;
    private const int DelayMsMax = 8_000;
    private const int IdleMs = 50;

    private readonly Lock _lock = new();
    private readonly PriorityQueue<(ClickHistory Click, int DelayMs), long> _waiting = new();
    private int _open;

    /// <summary>Buyers who do not have their outcome yet.</summary>
    public int OpenCount => Volatile.Read(ref _open);

    /// <summary>Takes a click that was told "queued".</summary>
    public void Add(ClickHistory click)
    {
        Interlocked.Increment(ref _open);
        Enqueue(click, FirstDelayMs);
    }

    /// <summary>Ends the long pauses: the storm is over.</summary>
    public void Hurry()
    {
        lock (_lock)
        {
            var all = _waiting.UnorderedItems.Select(item => item.Element.Click).ToList();
            _waiting.Clear();
            foreach (var click in all)
            {
                _waiting.Enqueue((click, FirstDelayMs), Environment.TickCount64);
            }
        }
    }

    public Task RunAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(Enumerable.Range(0, PollerCount).Select(n => Task.Run(() => PollAsync(n, cancellationToken), CancellationToken.None)));

    private async Task PollAsync(int number, CancellationToken cancellationToken)
    {
        var turn = number;
        while (!cancellationToken.IsCancellationRequested)
        {
            if (!TryDequeue(out var click, out var delayMs))
            {
                await Task.Delay(IdleMs, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }

            try
            {
                if (await gates[turn++ % gates.Count].StatusAsync(click.Buyer, click.Sale.SkuId, cancellationToken) is { } final)
                {
                    Debug.Assert(click.Final is null, "A click is polled by one poller at a time, until it is final.");
                    click.Final = final.State;
                    Interlocked.Decrement(ref _open);
                }
                else
                {
                    Enqueue(click, Math.Min(delayMs * 2, DelayMsMax));
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
        }
    }

    private void Enqueue(ClickHistory click, int delayMs)
    {
        lock (_lock)
        {
            _waiting.Enqueue((click, delayMs), Environment.TickCount64 + delayMs);
        }
    }

    private bool TryDequeue(out ClickHistory click, out int delayMs)
    {
        lock (_lock)
        {
            if (_waiting.TryPeek(out var first, out var due) && due <= Environment.TickCount64)
            {
                _waiting.Dequeue();
                (click, delayMs) = first;
                return true;
            }
        }

        (click, delayMs) = (null!, 0);
        return false;
    }
}
