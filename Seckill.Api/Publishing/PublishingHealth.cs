using System.Collections.Concurrent;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using RabbitMQ.Client;

namespace Seckill.Api.Publishing;

/// <summary>
/// Whether the broker takes this instance's orders, as <see cref="OrderPublisher"/> finds. A broker with an alarm for its memory or disk,
/// or one that has taken the right to write from our account, still opens channels, while every order stays in the outbox and every click
/// waits in vain for its confirm. Degraded, because the sale goes on; an instance without orders to publish is healthy.
/// </summary>
public sealed class PublishingHealth(TimeProvider time) : IHealthCheck
{
    public const string Name = "publishing";

    /// <summary>For how long publishing must have failed, or no connection been possible, ms: a fail-over takes a moment.</summary>
    private const int FailingMs = 5_000;

    /// <summary>
    /// Age of the last failure at which it is forgotten, ms: the sweeper would have repeated the publish by then, unless that is another
    /// instance's job or the order has been written all the same.
    /// </summary>
    private const int ForgottenMs = 60_000;

    /// <summary>The connections on which the broker has said that it takes no messages, each with its reason.</summary>
    private readonly ConcurrentDictionary<IConnection, string> _blocked = new();
    private readonly Lock _lock = new();
    private Trouble? _failing;
    private Trouble? _away;

    /// <summary>A loop has a connection, from now on.</summary>
    internal void Opened(IConnection connection)
    {
        connection.ConnectionBlockedAsync += (_, args) =>
        {
            _blocked[connection] = args.Reason;
            return Task.CompletedTask;
        };
        connection.ConnectionUnblockedAsync += (_, _) =>
        {
            _blocked.TryRemove(connection, out _);
            return Task.CompletedTask;
        };
        lock (_lock)
        {
            _away = null;
        }
    }

    internal void Closed(IConnection connection) => _blocked.TryRemove(connection, out _);

    /// <summary>No loop has a connection, and an attempt to get one has failed.</summary>
    internal void NoteAway(string reason)
    {
        lock (_lock)
        {
            _away = Again(_away, reason);
        }
    }

    internal void NoteFailed(string reason)
    {
        lock (_lock)
        {
            _failing = Again(_failing, reason);
        }
    }

    /// <summary>Called for each message, so it locks only after a failure.</summary>
    internal void NoteConfirmed()
    {
        if (Volatile.Read(ref _failing) is null)
        {
            return;
        }

        lock (_lock)
        {
            _failing = null;
        }
    }

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(
            Reason() is { } reason ? HealthCheckResult.Degraded($"no order can be published: {reason}") : HealthCheckResult.Healthy());

    private string? Reason()
    {
        if (_blocked.Values.FirstOrDefault() is { } blocked)
        {
            return $"the broker takes no messages: {blocked}";
        }

        lock (_lock)
        {
            // A single failure is not enough, however long ago it was: whether the next publish fails too is unknown.
            return _away is { } away && Ms(away.FirstAt, time.GetTimestamp()) >= FailingMs ? away.Reason
                : _failing is { } failing && Ms(failing.LastAt, time.GetTimestamp()) < ForgottenMs
                    && (failing.Blocked || Ms(failing.FirstAt, failing.LastAt) >= FailingMs) ? failing.Reason
                : null;
        }
    }

    private Trouble Again(Trouble? before, string reason)
    {
        var now = time.GetTimestamp();
        var isNew = before is null || Ms(before.LastAt, now) >= ForgottenMs;
        return new Trouble(isNew ? now : before!.FirstAt, now, reason, !_blocked.IsEmpty || (!isNew && before!.Blocked));
    }

    private double Ms(long from, long to) => time.GetElapsedTime(from, to).TotalMilliseconds;

    /// <summary>Failures in a row.</summary>
    /// <param name="FirstAt">When they began, as a timestamp of the measuring clock.</param>
    /// <param name="LastAt">The latest one, likewise.</param>
    /// <param name="Reason">Why the latest one failed.</param>
    /// <param name="Blocked">Whether the broker itself has said that it takes no messages. It says so on each connection anew, so there is
    /// no word from it between a connection that was given up and the next.</param>
    private sealed record Trouble(long FirstAt, long LastAt, string Reason, bool Blocked);
}
