using System.ComponentModel.DataAnnotations;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.MissingOrders;

/// <summary>Section <c>MissingOrders</c>.</summary>
public sealed class MissingOrderOptions
{
    public const string Section = "MissingOrders";

    /// <summary>
    /// How far back MySQL may have lost orders, hours: orders confirmed to buyers since then are searched for. At least the age of the
    /// oldest backup that would be restored during a sale.
    /// </summary>
    [Range(1, 24 * StockLedger.RetentionDays)]
    public int LookBackHours { get; init; } = 24;
}
