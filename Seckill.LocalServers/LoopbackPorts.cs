using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Seckill.LocalServers;

/// <summary>Finds ports on 127.0.0.1.</summary>
public static class LoopbackPorts
{
    // Below the kernel's ephemeral range (32768 and up), so that no outgoing connection takes a server's port while it restarts.
    private const int First = 20_000;
    private const int End = 32_000;
    private const int AttemptsMax = 1_000;

    private static readonly HashSet<int> Taken = [];

    // Held until the process ends.
    private static readonly PortLocks Locks = new(PortLocks.UsersFolder);

    /// <summary>A free port that this process has not handed out before.</summary>
    /// <exception cref="LocalServerException">No free port was found.</exception>
    public static int Take()
    {
        lock (Taken)
        {
            for (var attempt = 0; attempt < AttemptsMax; attempt++)
            {
                var port = RandomNumberGenerator.GetInt32(First, End);
                if (!Taken.Contains(port) && IsFree(port) && Taken.Add(port))
                {
                    return port;
                }
            }
        }

        throw new LocalServerException($"no free port on 127.0.0.1 between {First} and {End}");
    }

    /// <summary>
    /// The preferred port if it is free and no other process of this user has been given it, else another free one. A random port needs no
    /// lock: two processes hardly ever get the same one.
    /// </summary>
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
