using System.Diagnostics;
using System.Globalization;

namespace Seckill.Bench.Chaos;

/// <summary>One file with the applications' output and everything done to them, with the time since the run began.</summary>
public sealed class ChaosLog : IDisposable
{
    private readonly Lock _lock = new();
    private readonly long _started = Stopwatch.GetTimestamp();
    private StreamWriter? _writer;

    public ChaosLog(string file)
    {
        File = file;
        _writer = new StreamWriter(file);
    }

    public string File { get; }

    public void Write(string source, string line)
    {
        lock (_lock)
        {
            // An application may print its last line after the run.
            _writer?.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(_started).TotalSeconds,8:F2} {source,-14}| {line}"));
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _writer?.Dispose();
            _writer = null;
        }
    }
}
