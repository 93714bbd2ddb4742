using System.Text.Json.Serialization;

namespace Seckill.Console.Ops;

// The contracts of the Api's operator calls, as documented there. Times are in ms since 1970 UTC.

/// <summary>One SKU on sale, read fresh from MySQL and Redis.</summary>
public sealed record OperatorSale(
    long SkuId, long ProductId, string Title, string? ProductTitle, string? Description, string? Image, decimal Price, decimal ListPrice,
    int LimitPerUser, long StartsAtMs, long EndsAtMs, bool Paused, bool TokenRequired, long? Units, long MysqlStock, long? RedisStock);

public sealed record OperatorSaleList(long NowMs, IReadOnlyList<OperatorSale> Items);

/// <summary>A sale to create; without <paramref name="SkuId"/> it gets the next free one.</summary>
public sealed record NewSale(
    long? SkuId, string Title, decimal Price, decimal? ListPrice, int LimitPerUser, long StartsAtMs, long EndsAtMs, int Units,
    string? Description = null, string? Image = null);

/// <summary>The terms to change; null keeps the value.</summary>
public sealed record SaleChange(string? Title, decimal? Price, decimal? ListPrice, int? LimitPerUser, long? StartsAtMs, long? EndsAtMs);

/// <param name="Add">Units to add.</param>
/// <param name="UnitsBefore">Units on sale as the operator saw them; makes a repeated request harmless.</param>
public sealed record StockAddition(int Add, long UnitsBefore);

public sealed record OrderTimeline(
    long? ClickedAtMs, long? ReservedAtMs, long? ConfirmedAtMs, long? PickedUpAtMs, long? CommittedAtMs, long? ToldAtMs)
{
    public static readonly OrderTimeline Unknown = new(null, null, null, null, null, null);
}

public sealed record FoundOrder(
    long OrderId, string? OrderSn, long UserId, long SkuId, int Quantity, string? ClientOrderNo, string Status, string? Reason,
    string? Payment, string? Title, decimal? TotalAmount, string? TraceId, OrderTimeline? Timeline);

/// <param name="Items">Newest first.</param>
/// <param name="UnsearchedSkus">SKUs that Redis was not searched for.</param>
public sealed record OrderList(IReadOnlyList<FoundOrder> Items, int UnsearchedSkus = 0);

public sealed record WarmUpItem(long SkuId, bool Loaded, long Stock, long Epoch);

public sealed record WarmUpResult(IReadOnlyList<WarmUpItem> Items);

public sealed record PlannedRepair(bool Load, long ReloadDifference, int Settle, int Republish);

public sealed record ReconciliationItem(
    long SkuId, long? RedisStock, long Held, long Unsettled, long Unconfirmed, long? CommittedUnsettled, long? OldestUnsettledAtMs,
    long MysqlStock, long LiveUnits, long? Units, long? Difference, long? StoreDifference, bool Loaded, PlannedRepair? Repair,
    string? Unreadable, long? HeldDifference = null, LostOrders? Lost = null, bool SaleGone = false,
    long ClosedUnits = 0)
{
    public bool Balanced => Loaded && !SaleGone && NothingDiffers;

    /// <summary>Its sale was deleted, and nothing else is wrong.</summary>
    public bool IsOnlyGone => SaleGone && Unreadable is null && Unsettled == 0 && NothingDiffers;

    private bool NothingDiffers => Lost is null && Difference is null or 0 && StoreDifference is null or 0 && HeldDifference is null or 0;
}

/// <summary>Orders that would be lost, and the first of their ids.</summary>
public sealed record LostOrders(int Unwritten, int Refused, int Unlisted, IReadOnlyList<string> OrderIds);

public sealed record Reconciliation(
    bool Healthy, long? QueueReady, long? Workers, long? DeadLetters, IReadOnlyList<ReconciliationItem> Items);

public sealed record RepairResult(bool Applied, IReadOnlyList<string> Steps);

public sealed record DeadLetterOrder(string? UserId, string? SkuId, long? Quantity, string? ClientOrderNo, string? OrderId);

public sealed record DeadLetterItem(
    string Id, string Reason, long Attempts, long? FirstAtMs, long? LastAtMs, string? TraceId, DeadLetterOrder? Order, string Body,
    long BodyBytes);

public sealed record DeadLetterList(
    long Count, IReadOnlyList<DeadLetterItem> Items, long ParkedCount, IReadOnlyList<DeadLetterItem> Parked);

public sealed record ReplayResult(int Replayed, int Refused, long Remaining);

public sealed record AbandonResult(string Outcome, string? OrderId);

public sealed record AuditItem(
    string Id, long AtMs, string Operator, string Scheme, string Address, string Action, string Target, string Detail, string TraceId,
    long? EndedAtMs, int? Status, string? Error);

public sealed record AuditList(IReadOnlyList<AuditItem> Items);

public sealed record DemoLoginBody(long UserId, string? Role);

public sealed record DemoLoginAnswer(string Token, long ExpiresAtMs);

public sealed record DemoClick(long SkuId, int Quantity, string ClientOrderNo);

public sealed record DemoListed(long SkuId, long? Stock);

public sealed record DemoListing(IReadOnlyList<DemoListed> Items);

/// <summary>Problem details with the Api's <c>error</c> member.</summary>
public sealed record ProblemBody(string? Title, string? Error, string? Detail);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    NumberHandling = JsonNumberHandling.AllowReadingFromString,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(OperatorSaleList))]
[JsonSerializable(typeof(NewSale))]
[JsonSerializable(typeof(SaleChange))]
[JsonSerializable(typeof(StockAddition))]
[JsonSerializable(typeof(OrderList))]
[JsonSerializable(typeof(WarmUpResult))]
[JsonSerializable(typeof(Reconciliation))]
[JsonSerializable(typeof(RepairResult))]
[JsonSerializable(typeof(DeadLetterList))]
[JsonSerializable(typeof(ReplayResult))]
[JsonSerializable(typeof(AbandonResult))]
[JsonSerializable(typeof(AuditList))]
[JsonSerializable(typeof(DemoLoginBody))]
[JsonSerializable(typeof(DemoLoginAnswer))]
[JsonSerializable(typeof(DemoClick))]
[JsonSerializable(typeof(DemoListing))]
[JsonSerializable(typeof(ProblemBody))]
internal sealed partial class OpsJson : JsonSerializerContext;
