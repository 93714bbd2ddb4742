using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Seckill.Tests.Worker;

/// <summary>The logged lines, in order.</summary>
internal sealed class LogLines : ILoggerProvider
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> _lines = new();

    public IReadOnlyCollection<(LogLevel Level, string Text)> Lines => _lines;

    public ILogger CreateLogger(string categoryName) => new Logger(_lines);

    /// <summary>Waits for a line that begins so.</summary>
    public Task<string> UntilAsync(string start, CancellationToken cancellationToken) => Deadline.UntilAsync(
        () => Task.FromResult(string.Join('\n', _lines.Select(line => line.Text))),
        text => text.Split('\n').Any(line => line.StartsWith(start, StringComparison.Ordinal)), cancellationToken);

    public void Dispose()
    {
    }

    private sealed class Logger(ConcurrentQueue<(LogLevel Level, string Text)> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue((logLevel, formatter(state, exception)));
    }
}
