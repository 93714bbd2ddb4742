using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.Api.Audit;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Unreadable;
using StackExchange.Redis;

namespace Seckill.Api.DeadLetters;

/// <summary>
/// The operators' calls on dead letters. Only one call runs at a time across all instances, because letters held by one call are invisible
/// to another; an operator's call waits a moment for the one before it. If Redis loses the lock, two calls each see a part of the queue;
/// that is harmless, because the broker gives no letter to both.
/// </summary>
internal sealed partial class DeadLetterOperations(
    IConnectionFactory connections, UnreadableMessages unreadable, IConnectionMultiplexer redis, OrderAbandonment abandonment,
    AuditLog audit, IOptions<DeadLetterOptions> options, TimeProvider time, ILogger<DeadLetterOperations> logger)
{
    private const string LockKey = "seckill:dead-letters:desk";

    /// <summary>Longest wait of an operator's call for the end of another one, ms: usually a search for orders that seem lost.</summary>
    private const int LockWaitMsMax = 5_000;

    private const int LockLookEveryMs = 100;

    /// <summary>Maximum number of letters published at once, and named in one audit entry.</summary>
    private const int ReplayBatchSizeMax = 100;

    /// <summary>How often a call starts again because the client could not decode a letter.</summary>
    private const int UnreadablePassesMax = 3;

    /// <summary>Bytes of a body that the audit log keeps when nothing else identifies the deleted message.</summary>
    private const int AuditedBodyBytesMax = 2_000;

    /// <summary>
    /// Maximum bytes of the bodies that are searched for orders: <c>OrderScanMax</c> letters of more than a thousand bytes each, which an
    /// order's usual letter does not reach. Letters full of large messages from elsewhere would keep the search busy in every pass.
    /// </summary>
    private const long OrderScanBytesMax = 134_217_728;

    private readonly DeadLetterOptions _options = options.Value;

    /// <summary>The first letters of the queue, and the first parked orders.</summary>
    public Task<DeadLetterList> ListAsync(int countMax, CancellationToken cancellationToken) =>
        RunAsync(
            async (session, token) =>
            {
                var scanMax = Math.Min(countMax, _options.ScanMax);
                var letters = await session.ScanAsync(scanMax, _options.ScanBytesMax, token);
                var parked = await session.ScanParkedAsync(scanMax, _options.ScanBytesMax, token);
                return new DeadLetterList(session.Count, letters, session.ParkedCount, parked);
            },
            cancellationToken);

    /// <summary>
    /// Which orders are among the letters; null when there are more than <c>OrderScanMax</c>, or more bytes in them than
    /// <see cref="OrderScanBytesMax"/>. No operator waits for this, so it does not wait for the lock.
    /// </summary>
    public Task<IReadOnlySet<long>?> ReadOrderIdsAsync(CancellationToken cancellationToken) =>
        RunAsync(
            (session, token) => session.ReadOrderIdsAsync(_options.OrderScanMax, OrderScanBytesMax, token), cancellationToken,
            lockWaitMsMax: 0);

    /// <summary>One letter; null when none of the first <c>ScanMax</c> has this id.</summary>
    public Task<DeadLetter?> FindAsync(string id, CancellationToken cancellationToken) =>
        RunAsync((session, token) => FindAsync(session, id, token), cancellationToken);

    /// <summary>Sends one letter to the order queue again; null when it is not found.</summary>
    public Task<ReplayResponse?> ReplayAsync(OperatorCall call, string id, CancellationToken cancellationToken) =>
        RunAsync(
            async (session, token) =>
            {
                if (await FindAsync(session, id, token) is not { } letter)
                {
                    return null;
                }

                await audit.WriteAsync(call, "dead-letter.replay", id, DetailOf(letter), token);
                var replayed = await session.ReplayAsync([letter], token);
                ConcludeReplay(call, 1, replayed);
                LogReplayed(replayed, 1 - replayed);
                return new ReplayResponse(replayed, 1 - replayed, session.Count - replayed);
            },
            cancellationToken);

    /// <summary>
    /// Sends the first <c>ScanMax</c> letters to the order queue again. All are taken before the first is sent, so a letter that the worker
    /// refuses again is not taken twice.
    /// </summary>
    public Task<ReplayResponse> ReplayAllAsync(OperatorCall call, CancellationToken cancellationToken) =>
        RunAsync(
            async (session, token) =>
            {
                var letters = await session.ScanAsync(_options.ScanMax, _options.ScanBytesMax, token);
                var (replayed, refused) = (0, 0);
                foreach (var batch in letters.Chunk(ReplayBatchSizeMax))
                {
                    await audit.WriteAsync(
                        call, "dead-letter.replay-all", $"{batch.Length} letters", string.Join(' ', batch.Select(letter => letter.Id)),
                        token);
                    var taken = await session.ReplayAsync(batch, token);
                    ConcludeReplay(call, batch.Length, taken);
                    replayed += taken;
                    refused += batch.Length - taken;
                }

                LogReplayed(replayed, refused);
                return new ReplayResponse(replayed, refused, session.Count - replayed);
            },
            cancellationToken);

    /// <summary>Abandons a letter: its order fails, exactly once, and the letter is removed. Null when it is not found.</summary>
    public Task<Abandonment?> AbandonAsync(OperatorCall call, string id, CancellationToken cancellationToken) =>
        RunAsync<Abandonment?>(
            async (session, token) =>
            {
                if (await FindAsync(session, id, token) is not { } letter)
                {
                    return null;
                }

                await audit.WriteAsync(call, "dead-letter.abandon", id, DetailOf(letter), token);
                var done = await abandonment.ApplyAsync(letter, token);
                if (done.Outcome != AbandonOutcome.AlreadyAnOrder)
                {
                    CrashPoint.Reach(CrashPoint.AbandonSettled);
                    // Done last: after an earlier crash the letter is still there, and a second abandonment (or a replay) finds the
                    // rejection and changes nothing.
                    await session.RemoveAsync([letter], token);
                    LogAbandoned(id, done.Outcome, done.OrderId);
                }

                return done;
            },
            cancellationToken);

    private async Task<DeadLetter?> FindAsync(DeadLetterSession session, string id, CancellationToken cancellationToken)
    {
        var letters = await session.ScanAsync(_options.ScanMax, _options.ScanBytesMax, cancellationToken);
        return letters.FirstOrDefault(letter => letter.Id == id);
    }

    private async Task<T> RunAsync<T>(
        Func<DeadLetterSession, CancellationToken, Task<T>> operation, CancellationToken cancellationToken,
        int lockWaitMsMax = LockWaitMsMax)
    {
        var database = redis.GetDatabase();
        RedisValue me = Guid.NewGuid().ToString("N");
        var started = time.GetTimestamp();
        while (true)
        {
            // Started before the lock is taken, so that the call does not outlast it.
            using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(_options.OperationTimeoutMs), time);
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
            try
            {
                if (await Lease.TryTakeAsync(
                    database, LockKey, me, _options.OperationTimeoutMs + _options.LockMarginMs, linked.Token))
                {
                    try
                    {
                        return await RunLockedAsync(operation, linked.Token);
                    }
                    finally
                    {
                        await ReleaseAsync(database, me);
                    }
                }
            }
            catch (OperationCanceledException exception) when (deadline.IsCancellationRequested)
            {
                throw new TimeoutException($"Not done within {_options.OperationTimeoutMs} ms.", exception);
            }

            if (time.GetElapsedTime(started).TotalMilliseconds >= lockWaitMsMax)
            {
                throw new DeadLettersBusyException();
            }

            await Task.Delay(TimeSpan.FromMilliseconds(LockLookEveryMs), time, cancellationToken);
        }
    }

    /// <summary>
    /// A letter that the client cannot decode ends its connection, and would hide all letters behind it. The scan finds such a letter
    /// before anything is changed; the letter is then rewritten and the call starts again.
    /// </summary>
    private async Task<T> RunLockedAsync<T>(
        Func<DeadLetterSession, CancellationToken, Task<T>> operation, CancellationToken cancellationToken)
    {
        for (var pass = 1; ; pass++)
        {
            AmqpTcpEndpoint endpoint;
            await using (var session = await DeadLetterSession.OpenAsync(connections, cancellationToken))
            {
                try
                {
                    return await operation(session, cancellationToken);
                }
                catch (Exception exception) when (pass <= UnreadablePassesMax && session.HasMetUnreadable)
                {
                    LogUnreadable(exception.Message);
                    endpoint = session.Endpoint;
                }
            }

            await using var keeper = await DeadLetterSession.OpenAsync(connections, cancellationToken);
            await unreadable.TakeAsync(
                endpoint, OrderTopology.DeadLetterQueue, _options.OrderScanMax,
                async (message, token) =>
                {
                    await keeper.KeepAsync(message, time.GetUtcNow(), token);
                    return true;
                },
                cancellationToken);
        }
    }

    private async Task ReleaseAsync(IDatabase database, RedisValue me)
    {
        try
        {
            await database.LockReleaseAsync(LockKey, me).ReplyAsync(CancellationToken.None);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            // The lock expires by itself; the operator's action is complete.
            LogLocked(_options.OperationTimeoutMs + _options.LockMarginMs, exception.Message);
        }
    }

    /// <summary>A batch may be replayed before its call fails, and a call succeeds although the broker refuses letters.</summary>
    private static void ConcludeReplay(OperatorCall call, int count, int replayed)
    {
        if (replayed == count)
        {
            call.ConcludeNewest(StatusCodes.Status200OK, "");
        }
        else
        {
            call.ConcludeNewest(
                StatusCodes.Status503ServiceUnavailable,
                string.Create(CultureInfo.InvariantCulture, $"the broker refused {count - replayed} of {count}"));
        }
    }

    /// <summary>Enough to identify the message later: the members of the order, or the raw text when there are none.</summary>
    private static string DetailOf(DeadLetter letter)
    {
        var order = DeadLetterBody.OrderOf(letter.Body);
        return order is null
            ? $"{letter.Reason}\n{DeadLetterBody.TextOf(letter.Body, AuditedBodyBytesMax)}"
            : $"{letter.Reason}\n{JsonSerializer.Serialize(order, ApiJson.Web.DeadLetterOrder)}";
    }

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "{Replayed} dead letters were replayed to the order queue; the broker refused {Refused}")]
    private partial void LogReplayed(int replayed, int refused);

    [LoggerMessage(Level = LogLevel.Information, Message = "Dead letter {Id} is abandoned: {Outcome}, order {OrderId}")]
    private partial void LogAbandoned(string id, AbandonOutcome outcome, long? orderId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "An unreadable dead letter is replaced by a readable one: {Reason}")]
    private partial void LogUnreadable(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The dead letters stay locked for {LockMs} ms: {Reason}")]
    private partial void LogLocked(int lockMs, string reason);
}

/// <summary>The first messages of both queues.</summary>
internal sealed record DeadLetterList(
    long Count, IReadOnlyList<DeadLetter> Letters, long ParkedCount, IReadOnlyList<DeadLetter> Parked);

/// <summary>Another operator, or another instance, is working on the dead letters.</summary>
internal sealed class DeadLettersBusyException() : Exception("Another operation on the dead letters is under way.");
