using System.Security.Cryptography;

namespace Seckill.LocalServers;

/// <summary>
/// Random ports, each once, from blocks that no other process of this user has claimed. A claim leaves a file, so there is one for a block
/// and not for each port. When no unclaimed block is left, all ports follow.
/// </summary>
/// <param name="locks">Holds the claims, each on a block's first port.</param>
internal sealed class PortBlocks(PortLocks locks)
{
    // Below the kernel's ephemeral range (32768 and up), so that no outgoing connection takes a server's port while it restarts.
    public const int First = 20_000;
    public const int End = 32_000;
    public const int Size = 200;

    private readonly Queue<int> _blocks = new(Shuffled(First, End, Size));
    private readonly Queue<int> _ports = new();
    private bool _areAllAdded;

    /// <summary>The next port, free or not; null when all ports have been handed out.</summary>
    public int? Next()
    {
        if (_ports.Count == 0)
        {
            AddPorts();
        }

        return _ports.TryDequeue(out var port) ? port : null;
    }

    private void AddPorts()
    {
        while (_blocks.TryDequeue(out var block))
        {
            if (locks.TryTake(block))
            {
                AddPorts(block, block + Size);
                return;
            }
        }

        if (!_areAllAdded)
        {
            _areAllAdded = true;
            AddPorts(First, End);
        }
    }

    private void AddPorts(int from, int end)
    {
        foreach (var port in Shuffled(from, end, 1))
        {
            _ports.Enqueue(port);
        }
    }

    private static int[] Shuffled(int from, int end, int step)
    {
        var numbers = Enumerable.Range(0, (end - from) / step).Select(i => from + (i * step)).ToArray();
        RandomNumberGenerator.Shuffle(numbers.AsSpan());
        return numbers;
    }
}
