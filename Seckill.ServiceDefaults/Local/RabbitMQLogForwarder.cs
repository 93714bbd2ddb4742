using System.Diagnostics.Tracing;
using Microsoft.Extensions.Logging;

namespace Seckill.ServiceDefaults.Local;

/// <summary>RabbitMQ.Client writes what goes wrong inside it to an event source; this brings it to the application's log.</summary>
internal sealed partial class RabbitMQLogForwarder(ILoggerFactory loggers) : IDisposable
{
    private readonly ILogger _logger = loggers.CreateLogger("RabbitMQ.Client");
    private Listener? _listener;

    public void Start() => _listener ??= new Listener(Forward);

    public void Dispose() => _listener?.Dispose();

    private void Forward(EventWrittenEventArgs written)
    {
        var level = LevelOf(written.Level);
        if (!_logger.IsEnabled(level))
        {
            return;
        }

        var message = written.Payload?.FirstOrDefault()?.ToString() ?? written.EventName ?? "";
        var details = written.Payload?.ElementAtOrDefault(1) is IDictionary<string, object?> exception
            ? $"{exception["Type"]}: {exception["Message"]}"
            : "";
        LogForwarded(_logger, level, message, details);
    }

    private static LogLevel LevelOf(EventLevel level) => level switch
    {
        EventLevel.Critical => LogLevel.Critical,
        EventLevel.Error => LogLevel.Error,
        EventLevel.Warning => LogLevel.Warning,
        EventLevel.Verbose => LogLevel.Debug,
        _ => LogLevel.Information,
    };

    [LoggerMessage(Message = "{Message} {Details}")]
    private static partial void LogForwarded(ILogger logger, LogLevel level, string message, string details);

    private sealed class Listener(Action<EventWrittenEventArgs> forward) : EventListener
    {
        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            // Called from the base constructor too: nothing here may touch the fields of this class.
            if (eventSource.Name == "rabbitmq-client")
            {
                EnableEvents(eventSource, EventLevel.Informational, EventKeywords.All);
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData) => forward(eventData);
    }
}
