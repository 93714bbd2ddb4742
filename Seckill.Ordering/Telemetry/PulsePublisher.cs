using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Seckill.Ordering.Telemetry;

/// <summary>
/// Publishes the instance's pulse every <c>EveryMs</c> without waiting for a reply: the next pulse replaces a lost one. Health and queue
/// depth are checked separately, because a server that hangs must not make the instance look dead; the pulse then reports the last known
/// values.
/// </summary>
internal sealed partial class PulsePublisher(
    string role, InstanceCondition condition, PulseCounters counters, IConnectionMultiplexer redis, IOptions<PulseOptions> options,
    TimeProvider time, ILogger<PulsePublisher> logger) : BackgroundService
{
    private static readonly RedisChannel Pulses = RedisChannel.Literal(InstancePulse.Channel);

    private readonly string _instance = string.Create(
        CultureInfo.InvariantCulture, $"{role}-{Environment.MachineName}-{Environment.ProcessId}");
    private readonly long _startedMs = time.GetUtcNow().ToUnixTimeMilliseconds();
    private Task _looking = Task.CompletedTask;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var every = TimeSpan.FromMilliseconds(options.Value.EveryMs);
        while (!stoppingToken.IsCancellationRequested)
        {
            var started = time.GetTimestamp();
            try
            {
                if (_looking.IsCompleted)
                {
                    _looking = condition.LookAsync(stoppingToken);
                }

                await _looking.WaitAsync(every, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await PublishAsync();
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(exception.Message);
            }
            catch (Exception)
            {
                return;
            }

            var rest = every - time.GetElapsedTime(started);
            await Task.Delay(rest > TimeSpan.Zero ? rest : TimeSpan.Zero, time, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private Task PublishAsync()
    {
        // Without a connection the client would queue the pulses and send them all after reconnecting.
        if (!redis.IsConnected)
        {
            return Task.CompletedTask;
        }

        var seen = condition.Seen;
        var pulse = new InstancePulse(
            _instance, role, time.GetUtcNow().ToUnixTimeMilliseconds(), _startedMs,
            counters.Read(PulseCounter.Requests), counters.Read(PulseCounter.Accepted), counters.Read(PulseCounter.Refused),
            counters.Read(PulseCounter.Errors), counters.Read(PulseCounter.Confirmed), counters.Read(PulseCounter.Committed),
            counters.Read(PulseCounter.Rejected), counters.ReadClickToCommit(), seen.QueueReady, Environment.WorkingSet,
            seen.Health.ToString(), seen.Complaints);
        return redis.GetSubscriber().PublishAsync(Pulses, pulse.ToJson(), CommandFlags.FireAndForget);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "No pulse: {Reason}")]
    private partial void LogFailed(string reason);
}
