using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Seckill.Bench.Load;

/// <summary>
/// Which of many sockets have something to read: Linux's epoll(7), level-triggered. .NET's own asynchronous sockets use it, too, but
/// schedule each continuation separately, which costs the load generator more of the machine (docs/performance-log.md).
/// </summary>
internal sealed class ReadyList : IDisposable
{
    private const int ReadyMax = 256;
    private const int CloseOnExec = 0x80000;
    private const int ControlAdd = 1;
    private const uint Readable = 1;
    private const int Interrupted = 4;

    // struct epoll_event { uint32_t events; uint64_t data; }, which the kernel packs on x86-64 alone.
    private static readonly int DataAt = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;
    private static readonly int EventBytes = DataAt + sizeof(long);

    private readonly SafeFileHandle _epoll = EpollCreate(CloseOnExec);
    private readonly byte[] _events = new byte[ReadyMax * EventBytes];

    public ReadyList()
    {
        if (_epoll.IsInvalid)
        {
            throw new Win32Exception();
        }
    }

    /// <summary>Watches a socket until it is closed.</summary>
    /// <param name="socket">Never one that .NET reads asynchronously.</param>
    /// <param name="number">Its number in the result of <see cref="Wait"/>.</param>
    public void Add(Socket socket, int number)
    {
        var watched = new byte[EventBytes];
        MemoryMarshal.Write(watched, Readable);
        MemoryMarshal.Write(watched.AsSpan(DataAt), (long)number);
        if (EpollControl(_epoll, ControlAdd, socket.SafeHandle, watched) != 0)
        {
            throw new Win32Exception();
        }
    }

    /// <summary>Waits until a socket is readable or the time is over; blocks the thread.</summary>
    /// <param name="numbers">Gets the numbers of the readable ones, at most <see cref="ReadyMax"/>; the others come with the next
    /// call.</param>
    /// <param name="timeoutMs">0 means no wait.</param>
    public void Wait(List<int> numbers, int timeoutMs)
    {
        numbers.Clear();
        var count = EpollWait(_epoll, _events, ReadyMax, timeoutMs);
        if (count < 0 && Marshal.GetLastPInvokeError() is var error and not Interrupted)
        {
            throw new Win32Exception(error);
        }

        for (var i = 0; i < count; i++)
        {
            numbers.Add((int)MemoryMarshal.Read<long>(_events.AsSpan((i * EventBytes) + DataAt)));
        }
    }

    public void Dispose() => _epoll.Dispose();

    [DllImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern SafeFileHandle EpollCreate(int flags);

    [DllImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int EpollControl(SafeFileHandle epoll, int operation, SafeSocketHandle socket, byte[] watched);

    [DllImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int EpollWait(SafeFileHandle epoll, byte[] events, int count, int timeoutMs);
}
