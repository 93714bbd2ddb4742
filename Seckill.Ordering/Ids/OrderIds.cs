using System.Diagnostics;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using MySqlConnector;
using Seckill.Ordering.Store;

namespace Seckill.Ordering.Ids;

/// <summary>
/// Order ids that are unique over any number of instances: each leases its Snowflake node number from MySQL, which unlike Redis
/// does not forget who holds what. Without a valid lease there are no ids, never doubtful ones. A stop gives the node back, with the time
/// of its newest id; whoever has it next begins after that.
/// </summary>
public sealed partial class OrderIds(IServiceScopeFactory scopes, TimeProvider time, ILogger<OrderIds> logger) : BackgroundService
{
    private const int LeaseMinutes = 120;
    private const int RenewEveryMinutes = 10;
    private const int RetryDelayMs = 1_000;

    /// <summary>How long a stop waits for MySQL to take the node back, ms; else the lease runs out by itself.</summary>
    private const int ReleaseTimeoutMs = 2_000;

    /// <summary>Stops making ids this long before MySQL would give the node away, minutes: room for clocks that run apart.</summary>
    private const int SafetyMinutes = 15;

    private readonly string _owner = $"{Environment.MachineName[..Math.Min(24, Environment.MachineName.Length)]}:{Guid.NewGuid():N}";
    private SnowflakeSequence? _sequence;
    private long _leasedAt;

    /// <summary>Whether <see cref="TryNext"/> would give an id now.</summary>
    public bool Ready => Volatile.Read(ref _sequence) is not null
        && time.GetElapsedTime(Volatile.Read(ref _leasedAt)) < TimeSpan.FromMinutes(LeaseMinutes - SafetyMinutes);

    /// <summary>The next id, or false while no node is leased (MySQL not reached yet, or away for nearly two hours).</summary>
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

    /// <summary>Makes no more ids and gives the node back; who makes ids stops before.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (Interlocked.Exchange(ref _sequence, null) is not { } sequence)
        {
            return;
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(ReleaseTimeoutMs);
        try
        {
            await ReleaseAsync(sequence.LastAt.UtcDateTime, deadline.Token).WaitAsync(deadline.Token);
        }
        catch (Exception exception)
        {
            LogNotReleased(exception.Message);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var delay = TimeSpan.FromMinutes(RenewEveryMinutes);
            try
            {
                var asked = time.GetTimestamp();
                var (node, heldUntil) = await LeaseAsync(stoppingToken);
                Volatile.Write(ref _leasedAt, asked);
                if (_sequence is null)
                {
                    Volatile.Write(ref _sequence, new SnowflakeSequence(node, time, heldUntil));
                    LogLeased(node);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (MySqlException exception) when (exception.ErrorCode == MySqlErrorCode.NoSuchTable)
            {
                // The very first start: nothing is wrong.
                LogNoSchema();
                delay = TimeSpan.FromMilliseconds(RetryDelayMs);
            }
            catch (Exception exception)
            {
                LogLeaseFailed(exception.Message);
                delay = TimeSpan.FromMilliseconds(RetryDelayMs);
            }

            await Task.Delay(delay, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Renews this instance's node, or takes the one that has been free longest; and says until when it was held.</summary>
    /// <exception cref="InvalidOperationException">All 1,024 nodes are leased.</exception>
    private async Task<(int Node, DateTimeOffset HeldUntil)> LeaseAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        await using var transaction = await context.Database.BeginTransactionAsync(cancellationToken);

        // The rows stand there from the migration on, so this locks one row and no gap.
        var nodes = await context.SnowflakeNodes
            .FromSql(
                $"""
                SELECT * FROM snowflake_nodes WHERE owner = {_owner} OR leased_until < UTC_TIMESTAMP(6)
                ORDER BY owner = {_owner} DESC, leased_until, node LIMIT 1 FOR UPDATE
                """)
            .AsNoTracking()
            .ToListAsync(cancellationToken);
        var node = nodes.SingleOrDefault() ?? throw new InvalidOperationException("All Snowflake nodes are leased.");
        Debug.Assert(node.Node is >= 0 and <= SnowflakeSequence.NodeMax, "The migration seeds 0 to NodeMax.");
        if (_sequence is not null && node.Owner != _owner)
        {
            // Lost while MySQL was away: a new node means a new sequence.
            Volatile.Write(ref _sequence, null);
        }

        await context.Database.ExecuteSqlAsync(
            $"""
            UPDATE snowflake_nodes SET owner = {_owner}, leased_until = UTC_TIMESTAMP(6) + INTERVAL {LeaseMinutes} MINUTE
            WHERE node = {node.Node}
            """,
            cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        // With our own name on it, the answer to an earlier call was lost: whoever had it before was done when that was made.
        var heldUntil = node.Owner == _owner ? node.LeasedUntil.AddMinutes(-LeaseMinutes) : node.LeasedUntil;
        return (node.Node, new DateTimeOffset(heldUntil, TimeSpan.Zero));
    }

    /// <summary>
    /// By its own clock this instance may have made ids that MySQL's clock has not reached; until then nobody else has the node.
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "The Snowflake node was not given back and stays leased for a while: {Reason}")]
    private partial void LogNotReleased(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Order ids wait for MySQL's schema, which a worker makes")]
    private partial void LogNoSchema();

    [LoggerMessage(Level = LogLevel.Warning, Message = "No Snowflake node leased: {Reason}; trying again")]
    private partial void LogLeaseFailed(string reason);
}
