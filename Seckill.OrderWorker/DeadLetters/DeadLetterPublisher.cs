using System.Diagnostics;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Telemetry;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.DeadLetters;

/// <summary>
/// Publishes poison messages to the dead-letter queue with the details that an operator needs, and orders that have to wait to the parked
/// queue. One bad letter must not block others: a letter that cannot be sent whole is sent bare. If a letter cannot be sent, now or ever,
/// the caller leaves it to the broker, which has the original. Not thread-safe: one caller at a time.
/// </summary>
internal sealed partial class DeadLetterPublisher(
    IConnectionFactory connections, PulseCounters counters, IOptions<WorkerOptions> options, TimeProvider time,
    ILogger<DeadLetterPublisher> logger)
    : IAsyncDisposable
{
    /// <summary>Letters awaiting their confirms at once.</summary>
    private const int InFlightMax = 128;

    private readonly WorkerOptions _options = options.Value;
    private DeadLetterLink? _link;
    private long? _awayUntil;

    /// <summary>The result of publishing one letter.</summary>
    private enum Fate
    {
        Confirmed,

        /// <summary>The letter could not be sent as it is, or the connection failed because of it or of another letter.</summary>
        Unsendable,

        /// <summary>The broker does not accept it now: no connection, no confirm in time, no room, no queue.</summary>
        NotTaken,
    }

    /// <summary>Publishes letters and waits for the broker's confirms; only then may the originals be acked.</summary>
    /// <returns>The letters that the broker did not accept.</returns>
    /// <exception cref="OperationCanceledException">The token fired.</exception>
    public async Task<IReadOnlyList<DeadLetter>> PublishAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken)
    {
        if (Sabotage.Is(Sabotage.NoDeadLetters))
        {
            return [];
        }

        var (left, why) = await PublishAsync(letters, DeadLetterWriting.Whole, DeadLetterWriting.Bare, cancellationToken);
        foreach (var letter in letters)
        {
            WorkerTelemetry.DeadLetters.Add(1);
            counters.Add(PulseCounter.Errors);
            if (left.Contains(letter))
            {
                LogLeftToBroker(letter.Delivery.Properties.MessageId, letter.Reason, why);
            }
            else
            {
                LogDeadLettered(letter.Delivery.Properties.MessageId, letter.Reason);
            }
        }

        return left;
    }

    /// <summary>Parks orders and waits for the broker's confirms; only then may the originals be acked.</summary>
    /// <returns>The orders that the broker did not accept; it has to deliver them again.</returns>
    /// <exception cref="OperationCanceledException">The token fired.</exception>
    public async Task<IReadOnlyList<DeadLetter>> ParkAsync(IReadOnlyList<ParkedOrder> orders, CancellationToken cancellationToken)
    {
        var letters = orders.Select(parked => DeadLetter.Of(parked.Order, parked.Reason)).ToList();
        var (left, why) = await PublishAsync(letters, DeadLetterWriting.Parked, DeadLetterWriting.ParkedBare, cancellationToken);
        if (left.Count > 0)
        {
            LogNotParked(left.Count, why);
            await Task.Delay(TimeSpan.FromMilliseconds(_options.RetryDelayMs), time, cancellationToken);
        }

        return left;
    }

    private async Task<(IReadOnlyList<DeadLetter> Left, string Why)> PublishAsync(
        IReadOnlyList<DeadLetter> letters, WriteLetter write, WriteLetter writeBare, CancellationToken cancellationToken)
    {
        if (letters.Count == 0)
        {
            return ([], "");
        }

        if (_awayUntil is { } until && time.GetTimestamp() < until)
        {
            return (letters, "the broker took none a moment ago");
        }

        _awayUntil = null;
        var fates = await SendAsync(letters, write, cancellationToken);
        var unsendable = letters.Where((_, i) => fates[i] == Fate.Unsendable).ToList();
        var notTaken = letters.Where((_, i) => fates[i] == Fate.NotTaken).ToList();
        if (unsendable.Count > 0)
        {
            LogBare(unsendable.Count, unsendable[0].Reason);
            var again = await SendAsync(unsendable, writeBare, cancellationToken);
            notTaken.AddRange(unsendable.Where((_, i) => again[i] != Fate.Confirmed));
        }

        return (notTaken, "the broker did not take it");
    }

    public ValueTask DisposeAsync() => _link?.DisposeAsync() ?? ValueTask.CompletedTask;

    /// <summary>
    /// Publishes all letters, a bounded number at once. A failure drops the connection, so that the next try starts afresh.
    /// </summary>
    private async Task<Fate[]> SendAsync(
        IReadOnlyList<DeadLetter> letters, WriteLetter write, CancellationToken cancellationToken)
    {
        if (await ConnectAsync(cancellationToken) is not { } link)
        {
            return [.. Enumerable.Repeat(Fate.NotTaken, letters.Count)];
        }

        using var window = new SemaphoreSlim(InFlightMax);
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(link.Lost, cancellationToken);
        var fates = await Task.WhenAll(letters.Select(letter => SendAsync(link, letter, write, window, failed)));
        cancellationToken.ThrowIfCancellationRequested();
        if (fates.All(fate => fate == Fate.Confirmed))
        {
            return fates;
        }

        LogFailed(link.LostReason ?? "no confirm");
        await DropAsync();
        if (fates.Contains(Fate.NotTaken))
        {
            _awayUntil = time.GetTimestamp() + (long)(time.TimestampFrequency * (_options.RetryDelayMsMax / 1_000.0));
        }

        return fates;
    }

    private async Task<Fate> SendAsync(
        DeadLetterLink link, DeadLetter letter, WriteLetter write, SemaphoreSlim window, CancellationTokenSource failed)
    {
        try
        {
            await window.WaitAsync(failed.Token);
        }
        catch (OperationCanceledException exception)
        {
            return FateAfter(exception, link);
        }

        using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(_options.ConfirmTimeoutMs), time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, failed.Token);
        try
        {
            await PublishAsync(link.Channel, letter, write, linked.Token);
            CrashPoint.Reach(CrashPoint.DeadLettered);
            return Fate.Confirmed;
        }
        catch (PublishException exception)
        {
            LogRefused(exception.Message);
            return Fate.NotTaken;
        }
        catch (Exception exception)
        {
            LogRefused(exception.Message);
            if (deadline.IsCancellationRequested)
            {
                // The other letters in flight need not wait as long.
                await failed.CancelAsync();
            }

            return FateAfter(exception, link);
        }
        finally
        {
            window.Release();
        }
    }

    /// <summary>
    /// A time-out on an open connection means that the broker does not answer; any other failure may be the letter's fault.
    /// </summary>
    private static Fate FateAfter(Exception exception, DeadLetterLink link) =>
        link.IsBlocked || (exception is OperationCanceledException && !link.Lost.IsCancellationRequested) ? Fate.NotTaken : Fate.Unsendable;

    private async Task PublishAsync(
        IChannel channel, DeadLetter letter, WriteLetter write, CancellationToken cancellationToken)
    {
        var (exchange, routingKey, properties, body) = write(letter, time.GetUtcNow());
        // The client takes the parent of its span, and the trace in the headers, from the current activity.
        Activity.Current = letter.Span ?? OrderingTelemetry.Continue(letter.Trace);
        try
        {
            await OrderTopology.PublishAsync(channel, exchange, routingKey, properties, body, cancellationToken);
        }
        finally
        {
            Activity.Current = null;
        }
    }

    /// <summary>Connects if needed; null when the broker does not answer in time.</summary>
    private async Task<DeadLetterLink?> ConnectAsync(CancellationToken cancellationToken)
    {
        if (_link is { } open && !open.Lost.IsCancellationRequested)
        {
            return open;
        }

        await DropAsync();
        try
        {
            return _link = await DeadLetterLink.OpenAsync(
                connections, TimeSpan.FromMilliseconds(_options.ConnectTimeoutMs), time, cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogFailed(exception.Message);
            _awayUntil = time.GetTimestamp() + (long)(time.TimestampFrequency * (_options.RetryDelayMsMax / 1_000.0));
            return null;
        }
    }

    private async Task DropAsync()
    {
        if (_link is { } link)
        {
            _link = null;
            await link.DisposeAsync();
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Message {MessageId} can never become an order and is dead-lettered: {Reason}")]
    private partial void LogDeadLettered(string? messageId, string reason);

    [LoggerMessage(
        Level = LogLevel.Error,
        Message = "Message {MessageId} can never become an order: {Reason}; it is left to the broker's own dead-lettering: {Why}")]
    private partial void LogLeftToBroker(string? messageId, string reason, string why);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "{Count} dead letters could not be sent as they are and are sent without their properties; the first: {Reason}")]
    private partial void LogBare(int count, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} orders could not be parked and will be redelivered at once: {Why}")]
    private partial void LogNotParked(int count, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A dead letter was not accepted: {Reason}")]
    private partial void LogRefused(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The connection for dead letters is given up: {Reason}")]
    private partial void LogFailed(string reason);
}
