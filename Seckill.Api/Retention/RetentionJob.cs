using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Seckill.Api.Retention;

/// <summary>
/// Runs <see cref="RetentionPass"/> periodically in the instance that holds the lease; does nothing when no retention period is set. After
/// a failure the instance leaves the lease to another one.
/// </summary>
internal sealed partial class RetentionJob(
    RetentionPass retention, IConnectionMultiplexer redis, IOptions<RetentionOptions> options, TimeProvider time,
    ILogger<RetentionJob> logger)
    : BackgroundService
{
    private const string LeaseKey = "seckill:retention";

    private readonly TimeSpan _every = TimeSpan.FromMinutes(options.Value.EveryMinutes);

    // Longer than a round: the last holder continues, and another instance takes over a round later if that one is gone.
    private readonly Lease _lease = new(redis, LeaseKey, options.Value.EveryMinutes * 2 * 60_000);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (options.Value.Enabled && !stoppingToken.IsCancellationRequested)
        {
            var (held, pause) = (false, _every);
            try
            {
                held = await _lease.HoldAsync(stoppingToken);
                if (held && await retention.RunAsync(stoppingToken) is > 0 and var rows)
                {
                    LogDone(rows);
                }
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(exception.GetBaseException().Message);
                if (held)
                {
                    // One turn is left to the other instances.
                    pause = 2 * _every;
                    await ReleaseAsync();
                }
            }
            catch (OperationCanceledException)
            {
                break;
            }

            await Task.Delay(pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await ReleaseAsync();
    }

    private async Task ReleaseAsync()
    {
        try
        {
            await _lease.ReleaseAsync();
        }
        catch (Exception exception)
        {
            LogLeaseKept(exception.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Retention: {Rows} due rows were deleted or lost their buyer")]
    private partial void LogDone(int rows);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Rows that are due by Retention were not removed: {Reason}")]
    private partial void LogFailed(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Retention's lease could not be released and will expire: {Reason}")]
    private partial void LogLeaseKept(string reason);
}
