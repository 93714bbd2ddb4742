using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Seckill.OrderWorker;

/// <summary>What the health checks tell of the pump; written by its stages.</summary>
internal sealed class WorkerHealth
{
    private volatile string? _writingTrouble;
    private volatile string? _settlingTrouble;
    private volatile bool _consuming;

    /// <summary>Whether a consumer stands at the queue.</summary>
    public bool Consuming { get => _consuming; set => _consuming = value; }

    /// <summary>What keeps MySQL from taking the batch in hand; null when nothing does.</summary>
    public string? WritingTrouble { get => _writingTrouble; set => _writingTrouble = value; }

    /// <summary>What keeps Redis from taking the verdicts in hand; null when nothing does.</summary>
    public string? SettlingTrouble { get => _settlingTrouble; set => _settlingTrouble = value; }
}

/// <summary>Whether orders are being taken from the queue.</summary>
internal sealed class ConsumingHealthCheck(WorkerHealth health) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(health.Consuming
            ? HealthCheckResult.Healthy()
            : new HealthCheckResult(context.Registration.FailureStatus, "no consumer at the queue"));
}

/// <summary>Whether orders get through to MySQL and Redis; messages are held while they do not.</summary>
internal sealed class WritingHealthCheck(WorkerHealth health) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult((health.WritingTrouble ?? health.SettlingTrouble) is { } trouble
            ? new HealthCheckResult(context.Registration.FailureStatus, trouble)
            : HealthCheckResult.Healthy());
}
