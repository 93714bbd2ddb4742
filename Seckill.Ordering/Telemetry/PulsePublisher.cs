using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Seckill.Ordering.Contract;
using StackExchange.Redis;

namespace Seckill.Ordering.Telemetry;

/// <summary>
/// Publishes the instance's pulse every <c>EveryMs</c>, and forgets it: nobody waits for a pulse, and one that is lost is made good by the next. Health and queue
/// depth are asked on the side, because a server that hangs must not make the instance look dead; the pulse then says what was seen last.
/// </summary>
internal sealed partial class PulsePublisher(
    string role, PulseCounters counters, IConnectionMultiplexer redis, HealthCheckService health, QueueDepths queues,
    IOptions<PulseOptions> options, TimeProvider time, ILogger<PulsePublisher> logger) : BackgroundService
{
    private const int ComplaintsMax = 16;
    private const int ComplaintLengthMax = 200;

    private sealed record Condition(HealthStatus Health, IReadOnlyList<string> Complaints, long? QueueReady);

    private static readonly RedisChannel Pulses = RedisChannel.Literal(InstancePulse.Channel);

    private readonly string _instance = string.Create(CultureInfo.InvariantCulture, $"{role}-{Environment.MachineName}-{Environment.ProcessId}");
    private readonly long _startedMs = time.GetUtcNow().ToUnixTimeMilliseconds();
    private Condition _seen = new(HealthStatus.Degraded, ["health: not checked yet"], null);
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
                    _looking = LookAsync(stoppingToken);
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
            await Task.Delay(rest > TimeSpan.Zero ? rest : TimeSpan.Zero, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private Task PublishAsync()
    {
        // Without a connection the client would keep the pulses and send them all when it has one again.
        if (!redis.IsConnected)
        {
            return Task.CompletedTask;
        }

        var seen = Volatile.Read(ref _seen);
        var pulse = new InstancePulse(
            _instance, role, time.GetUtcNow().ToUnixTimeMilliseconds(), _startedMs,
            counters.Read(PulseCounter.Requests), counters.Read(PulseCounter.Accepted), counters.Read(PulseCounter.Refused),
            counters.Read(PulseCounter.Errors), counters.Read(PulseCounter.Confirmed), counters.Read(PulseCounter.Committed),
            counters.Read(PulseCounter.Rejected), counters.ReadClickToCommit(), seen.QueueReady, Environment.WorkingSet,
            seen.Health.ToString(), seen.Complaints);
        return redis.GetSubscriber().PublishAsync(Pulses, pulse.ToJson(), CommandFlags.FireAndForget);
    }

    private async Task LookAsync(CancellationToken stoppingToken)
    {
        try
        {
            var depth = QueueReadyAsync(stoppingToken);
            var report = await health.CheckHealthAsync(stoppingToken);
            var complaints = report.Entries.Where(entry => entry.Value.Status != HealthStatus.Healthy).Take(ComplaintsMax)
                .Select(entry => Cut($"{entry.Key}: {entry.Value.Description ?? entry.Value.Exception?.Message ?? entry.Value.Status.ToString()}"))
                .ToList();
            if (!complaints.SequenceEqual(_seen.Complaints))
            {
                var text = string.Join("; ", complaints);
                LogHealth(report.Status, text);
            }

            Volatile.Write(ref _seen, new Condition(report.Status, complaints, await depth));
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            LogFailed(exception.Message);
        }
        catch (Exception)
        {
            // Stopping.
        }
    }

    private async Task<long?> QueueReadyAsync(CancellationToken stoppingToken)
    {
        if (role != InstancePulse.Worker)
        {
            return null;
        }

        try
        {
            return (await queues.ReadAsync(stoppingToken)).Ready;
        }
        catch (Exception)
        {
            // That the broker does not answer is among the complaints.
            return null;
        }
    }

    private static string Cut(string text) => text.Length <= ComplaintLengthMax ? text : text[..ComplaintLengthMax];

    [LoggerMessage(Level = LogLevel.Information, Message = "Health: {Status} {Complaints}")]
    private partial void LogHealth(HealthStatus status, string complaints);

    [LoggerMessage(Level = LogLevel.Warning, Message = "No pulse: {Reason}")]
    private partial void LogFailed(string reason);
}
