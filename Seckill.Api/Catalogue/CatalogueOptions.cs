using System.ComponentModel.DataAnnotations;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Catalogue;

/// <summary>Section <c>Catalogue</c>.</summary>
public sealed class CatalogueOptions
{
    public const string Section = "Catalogue";

    /// <summary>How often the sales are read from MySQL, ms.</summary>
    [Range(100, 3_600_000)]
    public int RefreshEveryMs { get; init; } = 2_000;

    /// <summary>How often sales' counters are compared with MySQL's epoch, ms; up to 1,000 SKUs each time.</summary>
    [Range(100, 3_600_000)]
    public int CheckEveryMs { get; init; } = 10_000;

    /// <summary>After Redis has lost a sale: longest wait for the queue to drain before its counter is loaded, ms.</summary>
    [Range(0, 3_600_000)]
    public int DrainWaitMsMax { get; init; } = 30_000;

    /// <summary>How long the buyer's page still lists a sale after its end, h.</summary>
    [Range(0, 24 * StockLedger.RetentionDays)]
    public int EndedListedForHours { get; init; } = 24;

    /// <summary>Maximum number of sales in the buyer's list; if there are more, the list has those that end last.</summary>
    [Range(1, 100_000)]
    public int ListedMax { get; init; } = 2_000;

    /// <summary>How long a listing with stock from Redis is served from memory, ms.</summary>
    [Range(0, 60_000)]
    public int ListingHoldMs { get; init; } = 500;
}
