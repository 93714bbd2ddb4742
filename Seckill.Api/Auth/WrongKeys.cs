using System.Net;

namespace Seckill.Api.Auth;

/// <summary>Logs wrong operations keys in at most one line a second, so that guessing cannot flood the log.</summary>
internal sealed partial class WrongKeys : IDisposable
{
    private static readonly TimeSpan Collect = TimeSpan.FromSeconds(1);

    private readonly ILogger<WrongKeys> _logger;
    private readonly ITimer _timer;
    private readonly Lock _lock = new();
    private IPAddress? _address;
    private int _count;

    public WrongKeys(TimeProvider time, ILogger<WrongKeys> logger)
    {
        _logger = logger;
        _timer = time.CreateTimer(_ => Summarise(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Counts a wrong key. The first one starts a window of one second, which is then reported in one line.</summary>
    public void Note(IPAddress? address)
    {
        lock (_lock)
        {
            if (_count++ == 0)
            {
                _address = address;
                _timer.Change(Collect, Timeout.InfiniteTimeSpan);
            }
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Summarise()
    {
        int count;
        IPAddress? address;
        lock (_lock)
        {
            (count, address, _count) = (_count, _address, 0);
        }

        LogWrong(count, address);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} wrong operations keys within a second, the first of them from {Address}")]
    private partial void LogWrong(int count, IPAddress? address);
}
