using System.Diagnostics;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using MySqlConnector;
using Seckill.Ordering.Store;

namespace Seckill.Ordering.Ids;

/// <summary>
/// Order ids that are unique across any number of instances: each leases its Snowflake node number from MySQL, which unlike Redis does not
/// lose leases easily. Without a valid lease there are no ids, rather than doubtful ones. A stop returns the node with the time of its
/// newest id; the next holder starts after that.
///
/// MySQL may forget a lease when it is replaced by an older backup or a lagging replica. So the lease is checked every few seconds, and a
/// node is chosen at random from the free ones: two instances with the same number are rare and brief, and the gate refuses an id that
/// already exists.
/// </summary>
public sealed partial class OrderIds(IServiceScopeFactory scopes, TimeProvider time, ILogger<OrderIds> logger) : BackgroundService
{
    private const int LeaseMinutes = 120;
    private const int RenewEveryMinutes = 10;
    private const int CheckEveryMs = 5_000;
    private const int RetryDelayMs = 1_000;

    /// <summary>Free nodes that are tried one after another when others take them first.</summary>
    private const int NodeTriesMax = 20;

    /// <summary>How long a stop waits for MySQL to take the node back, ms; otherwise the lease expires.</summary>
    private const int ReleaseTimeoutMs = 2_000;

    /// <summary>Ids stop this long before MySQL would give the node away, minutes: a margin for clocks that drift apart.</summary>
    private const int SafetyMinutes = 15;

    private readonly string _owner = $"{Environment.MachineName[..Math.Min(24, Environment.MachineName.Length)]}:{Guid.NewGuid():N}";

    /// <summary>Holds a token while the lease is in doubt.</summary>
    private readonly SemaphoreSlim _doubted = new(0, 1);
    private readonly Lock _stopping = new();
    private Task? _returned;
    private SnowflakeSequence? _sequence;

    /// <summary>Whether a lease was requested: MySQL may have granted one that this process never heard of.</summary>
    private bool _mayHold;
    private int _node = -1;
    private bool _failed;
    private long _leasedAt;

    /// <summary>Whether <see cref="TryNext"/> would return an id now.</summary>
    public bool Ready => Volatile.Read(ref _sequence) is not null
        && time.GetElapsedTime(Volatile.Read(ref _leasedAt)) < TimeSpan.FromMinutes(LeaseMinutes - SafetyMinutes);

    /// <summary>The next id, or false while no node is leased (MySQL not reached yet, or unreachable for nearly two hours).</summary>
    public bool TryNext(out long id)
    {
        var sequence = Volatile.Read(ref _sequence);
        if (sequence is null || !Ready)
        {
            id = 0;
            return false;
        }

        id = sequence.Next();
        return true;
    }

    /// <summary>Requests a check of the lease: an id of this instance was already taken.</summary>
    public void Doubt()
    {
        try
        {
            _doubted.Release();
        }
        catch (SemaphoreFullException)
        {
            // A check is already requested.
        }
    }

    /// <summary>
    /// Stops generating ids and returns the node; callers must have stopped before. A second stop waits for the end of the first.
    /// </summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        Task returned;
        lock (_stopping)
        {
            // The host may be stopped twice, and is disposed after the stop that ends first.
            returned = _returned ??= ReturnAsync(cancellationToken);
        }

        await returned;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var delayMs = CheckEveryMs;
            try
            {
                await KeepLeaseAsync(stoppingToken);
                _failed = false;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (MySqlException exception) when (exception.ErrorCode == MySqlErrorCode.NoSuchTable)
            {
                // The very first start: nothing is wrong.
                LogNoSchema();
                delayMs = RetryDelayMs;
            }
            catch (Exception exception)
            {
                if (!_failed)
                {
                    // Logged once, not every second: an outage does not matter until the lease has nearly expired.
                    LogLeaseFailed(exception.Message);
                }

                _failed = true;
                delayMs = RetryDelayMs;
            }

            await ((Task)_doubted.WaitAsync(delayMs, stoppingToken)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Checks that MySQL still has the lease, renews it when due, and takes another node when it is lost.</summary>
    /// <exception cref="InvalidOperationException">No node is free.</exception>
    private async Task KeepLeaseAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var asked = time.GetTimestamp();
        if (Volatile.Read(ref _sequence) is not null)
        {
            if (await HasLeaseAsync(context, asked, cancellationToken))
            {
                return;
            }

            Volatile.Write(ref _sequence, null);
            LogLost(_node);
        }

        _mayHold = true;
        var (node, heldUntil) = await TakeFreeAsync(context, cancellationToken);
        _node = node;
        Volatile.Write(ref _leasedAt, asked);
        Volatile.Write(ref _sequence, new SnowflakeSequence(node, time, heldUntil));
        LogLeased(node);
    }

    private async Task<bool> HasLeaseAsync(OrderingDbContext context, long asked, CancellationToken cancellationToken)
    {
        if (time.GetElapsedTime(_leasedAt) < TimeSpan.FromMinutes(RenewEveryMinutes))
        {
            return await context.SnowflakeNodes
                .FromSql($"SELECT * FROM snowflake_nodes WHERE node = {_node} AND owner = {_owner} AND leased_until > UTC_TIMESTAMP(6)")
                .AnyAsync(cancellationToken);
        }

        var renewed = await context.Database.ExecuteSqlAsync(
            $"""
            UPDATE snowflake_nodes SET leased_until = UTC_TIMESTAMP(6) + INTERVAL {LeaseMinutes} MINUTE
            WHERE node = {_node} AND owner = {_owner} AND leased_until > UTC_TIMESTAMP(6)
            """,
            cancellationToken);
        if (renewed == 1)
        {
            Volatile.Write(ref _leasedAt, asked);
        }

        return renewed == 1;
    }

    /// <summary>Takes any free node; also returns the time until which it was held.</summary>
    private async Task<(int Node, DateTimeOffset HeldUntil)> TakeFreeAsync(OrderingDbContext context, CancellationToken cancellationToken)
    {
        var free = await context.SnowflakeNodes.FromSql($"SELECT * FROM snowflake_nodes WHERE leased_until < UTC_TIMESTAMP(6)")
            .AsNoTracking().ToArrayAsync(cancellationToken);
        Random.Shared.Shuffle(free);
        foreach (var node in free.Take(NodeTriesMax))
        {
            Debug.Assert(node.Node is >= 0 and <= SnowflakeSequence.NodeMax, "The migration seeds 0 to NodeMax.");
            // If another instance has held it in between, leased_until has changed and nothing is updated.
            var taken = await context.Database.ExecuteSqlAsync(
                $"""
                UPDATE snowflake_nodes SET owner = {_owner}, leased_until = UTC_TIMESTAMP(6) + INTERVAL {LeaseMinutes} MINUTE
                WHERE node = {node.Node} AND owner = {node.Owner} AND leased_until = {node.LeasedUntil}
                """,
                cancellationToken);
            if (taken == 1)
            {
                return (node.Node, new DateTimeOffset(node.LeasedUntil, TimeSpan.Zero));
            }
        }

        throw new InvalidOperationException("All Snowflake nodes are leased.");
    }

    private async Task ReturnAsync(CancellationToken cancellationToken)
    {
        var sequence = Interlocked.Exchange(ref _sequence, null);
        if (!_mayHold)
        {
            return;
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(ReleaseTimeoutMs);
        try
        {
            await ReleaseAsync((sequence?.LastAt ?? DateTimeOffset.UnixEpoch).UtcDateTime, deadline.Token).WaitAsync(deadline.Token);
        }
        catch (Exception exception)
        {
            LogNotReleased(exception.Message);
        }
    }

    /// <summary>
    /// By its own clock this instance may have generated ids ahead of MySQL's clock; until MySQL's clock has caught up, nobody else gets
    /// the node.
    /// </summary>
    private async Task ReleaseAsync(DateTime lastAt, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        await context.Database.ExecuteSqlAsync(
            $"UPDATE snowflake_nodes SET leased_until = GREATEST(UTC_TIMESTAMP(6), {lastAt}) WHERE owner = {_owner}", cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Order ids come from Snowflake node {Node}")]
    private partial void LogLeased(int node);

    [LoggerMessage(
        Level = LogLevel.Error, Message = "MySQL no longer has the lease of Snowflake node {Node}; leasing another node")]
    private partial void LogLost(int node);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The Snowflake node could not be released and stays leased for a while: {Reason}")]
    private partial void LogNotReleased(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "No order ids until a worker has created MySQL's schema")]
    private partial void LogNoSchema();

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "The lease of a Snowflake node could not be taken or checked: {Reason}; trying again")]
    private partial void LogLeaseFailed(string reason);
}
