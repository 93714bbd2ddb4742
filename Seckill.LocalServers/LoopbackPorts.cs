using System.Net;
using System.Net.Sockets;

namespace Seckill.LocalServers;

/// <summary>Finds ports on 127.0.0.1.</summary>
public static class LoopbackPorts
{
    private static readonly HashSet<int> Taken = [];

    // Held until the process ends.
    private static readonly PortLocks Locks = new(PortLocks.UsersFolder);
    private static readonly PortBlocks Blocks = new(Locks);

    /// <summary>
    /// A free port that this process has not handed out before. It is from a block of ports that no other process of this user has claimed,
    /// as long as there are such blocks: a server may listen only a minute after its port was chosen.
    /// </summary>
    /// <exception cref="LocalServerException">No free port was found.</exception>
    public static int Take()
    {
        lock (Taken)
        {
            while (Blocks.Next() is { } port)
            {
                if (!Taken.Contains(port) && IsFree(port) && Taken.Add(port))
                {
                    return port;
                }
            }
        }

        throw new LocalServerException($"no free port on 127.0.0.1 between {PortBlocks.First} and {PortBlocks.End}");
    }

    /// <summary>The preferred port if it is free and no other process of this user has been given it, else another free one.</summary>
    public static int Prefer(int port) => Prefer(port, Locks);

    internal static int Prefer(int port, PortLocks locks)
    {
        lock (Taken)
        {
            if (!Taken.Contains(port) && IsFree(port) && locks.TryTake(port) && Taken.Add(port))
            {
                return port;
            }
        }

        return Take();
    }

    /// <summary>True when a server could listen on the port now.</summary>
    public static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            socket.Listen(1);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
