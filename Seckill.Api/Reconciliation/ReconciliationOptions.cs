using System.ComponentModel.DataAnnotations;

namespace Seckill.Api.Reconciliation;

/// <summary>Section <c>Reconciliation</c>.</summary>
public sealed class ReconciliationOptions
{
    public const string Section = "Reconciliation";

    /// <summary>
    /// How often the instance that holds the lease compares sales and repairs stuck orders, ms: up to 1,000 SKUs each time, of which up to
    /// 100 are selling.
    /// </summary>
    [Range(100, 3_600_000)]
    public int EveryMs { get; init; } = 10_000;

    /// <summary>How long an instance reconciles without renewing the lease, ms.</summary>
    [Range(500, 3_600_000)]
    public int LeaseMs { get; init; } = 30_000;

    /// <summary>Age from which an unsettled order is checked, ms; longer than a slow batch takes.</summary>
    [Range(1_000, 3_600_000)]
    public int StuckAfterMs { get; init; } = 30_000;

    /// <summary>
    /// Longest pause before an order that stays lost is published once more, ms. The first is <see cref="StuckAfterMs"/>, and each repeat
    /// doubles the time since the click.
    /// </summary>
    [Range(1_000, 86_400_000)]
    public int RepublishPauseMsMax { get; init; } = 600_000;

    /// <summary>
    /// How long a worker can hold a message, minutes: the broker's consumer time-out. An order that was confirmed earlier than that
    /// counts as lost, whatever the workers report.
    /// </summary>
    [Range(1, 10_080)]
    public int HeldMinutesMax { get; init; } = 30;

    /// <summary>Orders of one SKU that one pass repairs.</summary>
    [Range(1, 10_000)]
    public int HealBatchSizeMax { get; init; } = 1_000;
}
