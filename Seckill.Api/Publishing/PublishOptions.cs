using System.ComponentModel.DataAnnotations;

namespace Seckill.Api.Publishing;

/// <summary>Section <c>Publish</c>.</summary>
public sealed class PublishOptions : IValidatableObject
{
    public const string Section = "Publish";

    /// <summary>AMQP channels, each with its own loop and its own window.</summary>
    [Range(1, 16)]
    public int ChannelsMax { get; init; } = 2;

    /// <summary>
    /// Maximum unconfirmed messages on one channel. While that many are in flight, orders accumulate for the next message. If not set, 4;
    /// or 256 if <see cref="OrdersPerMessageMax"/> is 1, because then none can accumulate.
    /// </summary>
    [Range(1, 4_096)]
    public int? InFlightMax { get; init; }

    /// <summary>Maximum number of orders in one message.</summary>
    [Range(1, 1_000)]
    public int OrdersPerMessageMax { get; init; } = 64;

    /// <summary>Orders that may wait for a channel; further ones are left to the outbox.</summary>
    [Range(1, 1_000_000)]
    public int WaitingMax { get; init; } = 20_000;

    /// <summary>Longest wait for a confirm before the connection is given up, ms.</summary>
    [Range(100, 60_000)]
    public int ConfirmTimeoutMs { get; init; } = 3_000;

    /// <summary>
    /// Time-out for connecting and declaring the route together, ms; then the next host of the connection string is tried.
    /// </summary>
    [Range(100, 60_000)]
    public int ConnectTimeoutMs { get; init; } = 5_000;

    /// <summary>First pause between two attempts to connect, ms; it doubles up to <see cref="ReconnectDelayMsMax"/>.</summary>
    [Range(10, 60_000)]
    public int ReconnectDelayMs { get; init; } = 100;

    /// <summary>Longest pause between two attempts to connect, ms.</summary>
    [Range(10, 60_000)]
    public int ReconnectDelayMsMax { get; init; } = 2_000;

    /// <summary>How often the outbox is swept, ms.</summary>
    [Range(50, 60_000)]
    public int SweepEveryMs { get; init; } = 1_000;

    /// <summary>How often the sweeper searches Redis for orders of SKUs that no longer have a sale in MySQL, ms.</summary>
    [Range(100, 3_600_000)]
    public int OrphanLookEveryMs { get; init; } = 10_000;

    /// <summary>Age of an unconfirmed attempt at which the sweeper repeats it, ms; longer than a publish can be in flight.</summary>
    [Range(200, 600_000)]
    public int SweepGraceMs { get; init; } = 7_000;

    /// <summary>Maximum number of orders of one SKU that one sweep publishes.</summary>
    [Range(1, 10_000)]
    public int SweepBatchSizeMax { get; init; } = 1_000;

    /// <summary>How long an instance stays the sweeper without renewing its lease, ms.</summary>
    [Range(500, 600_000)]
    public int SweepLeaseMs { get; init; } = 10_000;

    /// <summary><see cref="InFlightMax"/>, or its default when not set.</summary>
    internal int InFlightMaxNow => InFlightMax ?? (OrdersPerMessageMax == 1 ? 256 : 4);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (SweepGraceMs < ConfirmTimeoutMs * 2)
        {
            yield return new ValidationResult(
                "SweepGraceMs must be at least twice ConfirmTimeoutMs, or orders still under way are published again.");
        }
    }
}
