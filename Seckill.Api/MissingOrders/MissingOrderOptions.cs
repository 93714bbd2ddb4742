using System.ComponentModel.DataAnnotations;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.MissingOrders;

/// <summary>Section <c>MissingOrders</c>.</summary>
public sealed class MissingOrderOptions
{
    public const string Section = "MissingOrders";

    /// <summary>
    /// How far back MySQL may have lost orders, hours: those that buyers were told of since then are looked for. At least as long as the
    /// oldest backup that would be restored in the middle of a sale is old.
    /// </summary>
    [Range(1, 24 * StockLedger.RetentionDays)]
    public int LookBackHours { get; init; } = 24;
}
