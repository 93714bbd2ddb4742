using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Telemetry;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.DeadLetters;

/// <summary>Puts poison into the dead-letter queue with what an operator needs to judge it.</summary>
internal sealed partial class DeadLetterPublisher(
    PulseCounters counters, IOptions<WorkerOptions> options, TimeProvider time, ILogger<DeadLetterPublisher> logger)
{
    /// <summary>Why it can never become an order.</summary>
    public const string ReasonHeader = "x-seckill-reason";

    /// <summary>How often a worker has refused it, replays included.</summary>
    public const string AttemptsHeader = "x-seckill-attempts";

    /// <summary>First refusal, UTC, ISO 8601.</summary>
    public const string FirstAtHeader = "x-seckill-first-at";

    /// <summary>Last refusal, UTC, ISO 8601.</summary>
    public const string LastAtHeader = "x-seckill-last-at";

    /// <summary>Characters of a reason; headers share one frame with the rest.</summary>
    private const int ReasonLengthMax = 500;

    /// <summary>
    /// Headers of the delivery, not of the message (the broker's counts), or that would route a copy elsewhere, or that the client sets
    /// anew.
    /// </summary>
    private static readonly HashSet<string> NotCopied =
    [
        "x-delivery-count", "x-acquired-count", "CC", "BCC", Constants.PublishSequenceNumberHeader,
        ReasonHeader, AttemptsHeader, FirstAtHeader, LastAtHeader,
    ];

    /// <summary>Publishes one after the other and waits for the broker's confirms; only then may the originals be acked.</summary>
    /// <exception cref="OperationCanceledException">No confirm in time.</exception>
    /// <exception cref="RabbitMQ.Client.Exceptions.PublishException">The broker refused one.</exception>
    public async Task PublishAsync(IChannel channel, IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken)
    {
        foreach (var letter in letters)
        {
            await PublishAsync(channel, letter, cancellationToken);
            CrashPoint.Reach(CrashPoint.DeadLettered);
            WorkerTelemetry.DeadLetters.Add(1);
            counters.Add(PulseCounter.Errors);
            LogDeadLettered(letter.Delivery.Properties.MessageId, letter.Reason);
        }
    }

    private async Task PublishAsync(IChannel channel, DeadLetter letter, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(options.Value.ConfirmTimeoutMs), time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);

        // The client takes the parent of its span, and the trace in the headers, from the current one.
        Activity.Current = letter.Span;
        try
        {
            await channel.BasicPublishAsync(
                OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, mandatory: true,
                PropertiesOf(letter, time.GetUtcNow()), letter.Body, linked.Token);
        }
        finally
        {
            Activity.Current = null;
        }
    }

    /// <summary>
    /// The original's properties, but for two: an expiration would let the letter vanish, and a user id is refused by the broker when it is
    /// not the worker's own.
    /// </summary>
    private static BasicProperties PropertiesOf(DeadLetter letter, DateTimeOffset now)
    {
        var original = letter.Delivery.Properties;
        var headers = new Dictionary<string, object?>();
        foreach (var (name, value) in original.Headers ?? new Dictionary<string, object?>())
        {
            if (!NotCopied.Contains(name))
            {
                headers[name] = value;
            }
        }

        var nowText = now.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        headers[ReasonHeader] = letter.Reason.Length <= ReasonLengthMax ? letter.Reason : letter.Reason[..ReasonLengthMax];
        headers[AttemptsHeader] = original.Headers?.TryGetValue(AttemptsHeader, out var attempts) == true && attempts is long or int
            ? Convert.ToInt64(attempts, CultureInfo.InvariantCulture) + 1
            : 1L;
        headers[FirstAtHeader] = original.Headers?.TryGetValue(FirstAtHeader, out var first) == true ? first : nowText;
        headers[LastAtHeader] = nowText;
        return new BasicProperties
        {
            Persistent = true,
            ContentType = original.ContentType,
            ContentEncoding = original.ContentEncoding,
            CorrelationId = original.CorrelationId,
            // The parts of a message of many must not be taken for copies of each other when they come back one by one.
            MessageId = letter.Part is { } part && original.MessageId is { } id ? OrderIntake.PartId(id, part) : original.MessageId,
            Timestamp = original.Timestamp,
            Type = original.Type,
            AppId = original.AppId,
            Headers = headers,
        };
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Dead-lettered message {MessageId}, which can never become an order: {Reason}")]
    private partial void LogDeadLettered(string? messageId, string reason);
}
