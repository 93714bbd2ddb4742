using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Options;
using Seckill.Api.Catalogue;
using Seckill.Api.Errors;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Telemetry;

namespace Seckill.Api.Gate;

/// <summary>The outcome of a click.</summary>
public enum PlaceOutcome
{
    Queued,
    SoldOut,
    LimitReached,
    NotStarted,
    Ended,
    Paused,
    UnknownSku,

    /// <summary>The click's number belongs to an order with another quantity.</summary>
    NumberUsed,

    /// <summary>The SKU is not offered at the price that the click named.</summary>
    PriceChanged,

    /// <summary>The SKU's stock is not loaded, or this instance cannot generate order ids yet.</summary>
    WarmingUp,

    /// <summary>Too many requests are waiting, or Redis does not answer. Retrying with the same client_order_no is safe.</summary>
    Busy,
}

/// <summary>The gate's answer to a click.</summary>
/// <param name="Outcome">The outcome to tell the buyer.</param>
/// <param name="OrderId">The order's id when queued, else 0.</param>
/// <param name="Value">The limit, or the window's start or end in ms since 1970 UTC, depending on the outcome.</param>
/// <param name="UnitPrice">The price of a unit, for an order that was queued now or a price that has changed; otherwise null.</param>
public readonly record struct Placement(PlaceOutcome Outcome, long OrderId = 0, long Value = 0, decimal? UnitPrice = null);

/// <summary>Hops 1 to 3 of an order: shield, reservation in Redis, publish with confirm. Nothing here touches MySQL.</summary>
public sealed class OrderGate(
    SaleCatalogue catalogue, GateLanes lanes, ClickLookUp clicks, OrderIds ids, PulseCounters counters, IOptions<GateOptions> options,
    TimeProvider time)
{
    private static readonly Counter<long> Reservations = OrderingTelemetry.Meter.CreateCounter<long>(
        "seckill.reservations", "{request}", "Clicks by outcome.");

    /// <summary>Maximum order ids tried for one click. A taken id points to a faulty Snowflake lease, which is checked meanwhile.</summary>
    private const int IdTriesMax = 4;

    private readonly GateOptions _options = options.Value;

    /// <summary>Raised with a SKU whose stock Redis does not know, so that it is loaded at once.</summary>
    public event Action<long>? Cold;

    /// <summary>
    /// Handles a click that <see cref="OrderLimits"/> has found well-formed. Runs to its end even when the buyer disconnects: after the
    /// reservation there is an order to take care of. With <paramref name="unitPrice"/> it buys at that price or not at all.
    /// </summary>
    public async ValueTask<Placement> PlaceAsync(long userId, long skuId, int quantity, string? clientOrderNo, decimal? unitPrice = null)
    {
        Placement? placement = null;
        for (var tries = 0; placement is null && tries < IdTriesMax; tries++)
        {
            placement = TryEnter(userId, skuId, out var lane, out var sale, out var orderId) is { } refused
                ? new Placement(refused, Value: EndOf(refused, skuId))
                : unitPrice is not null && unitPrice != sale!.Offer.Price
                // The price may have changed since the click was accepted; its repeat is still the same click.
                ? await RepeatOfAsync(userId, skuId, quantity, clientOrderNo)
                    ?? new Placement(PlaceOutcome.PriceChanged, UnitPrice: sale.Offer.Price)
                : await AskAsync(
                    lane!, new ReserveRequest(orderId, userId, quantity, clientOrderNo, Activity.Current?.Id, sale!.Offer.Text),
                    sale.Offer.Price);
        }

        var answer = placement ?? new Placement(PlaceOutcome.WarmingUp);
        Reservations.Add(1, new KeyValuePair<string, object?>("outcome", OutcomeTag(answer.Outcome)));
        Count(answer.Outcome);
        return answer;
    }

    /// <summary>
    /// The placement of a click that was accepted earlier, or may have been; null for a new click, or one without a number. Reserves
    /// nothing: for a repeat of a click that would not be accepted any more.
    /// </summary>
    public async Task<Placement?> FindRepeatAsync(long userId, long skuId, int quantity, string? clientOrderNo) =>
        catalogue.IsOnSale(skuId) ? await RepeatOfAsync(userId, skuId, quantity, clientOrderNo) : null;

    /// <summary>
    /// The outcome if it is known from memory; otherwise null, with the SKU's lane, its sale and an order id: the click needs Redis.
    /// </summary>
    private PlaceOutcome? TryEnter(long userId, long skuId, out GateLane? lane, out SaleView? sale, out long orderId)
    {
        (lane, orderId, sale) = (null, 0, catalogue.Find(skuId));
        if (sale is null)
        {
            return !catalogue.Loaded ? PlaceOutcome.WarmingUp
                : catalogue.EndOfForgotten(skuId) is null ? PlaceOutcome.UnknownSku
                : PlaceOutcome.Ended;
        }

        lane = lanes.LaneOf(skuId);
        return lane.Shield.Refuses(userId) ? PlaceOutcome.SoldOut : ids.TryNext(out orderId) ? null : PlaceOutcome.WarmingUp;
    }

    private long EndOf(PlaceOutcome refused, long skuId) =>
        refused == PlaceOutcome.Ended ? catalogue.EndOfForgotten(skuId)?.ToUnixTimeMilliseconds() ?? 0 : 0;

    /// <summary>
    /// Sends and waits in one method: each further asynchronous method would cost every waiting click another object. Null when the order
    /// id is taken.
    /// </summary>
    private async ValueTask<Placement?> AskAsync(GateLane lane, ReserveRequest request, decimal unitPrice)
    {
        var parent = Activity.Current;
        using var span = OrderingTelemetry.StartScript("reserve");
        span?.SetTag("seckill.sku_id", lane.Sku.SkuId).SetTag("seckill.order_id", request.OrderId);
        var click = new PurchaseAttempt(lane.Sku, request, parent?.Context ?? default, span);
        if (!lane.TryAsk(click))
        {
            span?.SetStatus(ActivityStatusCode.Error, "too many waiting");
            return new Placement(PlaceOutcome.Busy);
        }

        try
        {
            // The confirm makes the answer as durable as the broker; without it "queued" is still true, because the outbox has the order.
            for (
                var waitMs = Math.Min(_options.ConfirmWaitMs, _options.AnswerWithinMs); !click.Answered.IsCompleted; waitMs = LeftMs(click))
            {
                if (waitMs <= 0)
                {
                    // Nothing can be reserved for it any more: the deadline of its call, if one is in flight, has passed.
                    span?.SetStatus(ActivityStatusCode.Error, "no answer in time");
                    return new Placement(PlaceOutcome.Busy);
                }

                await ((Task)click.Answered).WaitAsync(TimeSpan.FromMilliseconds(waitMs), time)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (click.IsReserved)
                {
                    return Reserved(click, unitPrice);
                }
            }

            return PlacementOf(click, await click.Answered, unitPrice);
        }
        catch (Exception exception)
        {
            // The lane has logged it; the SKU's keys may contain foreign data. Whether the stock moved is unknown here; if it did, the
            // outbox has the order.
            span?.SetStatus(ActivityStatusCode.Error, exception.Message);
            return new Placement(PlaceOutcome.Busy);
        }
    }

    /// <summary>The remaining time, ms, rounded up: a wait that ends early must not be restarted again and again.</summary>
    private int LeftMs(PurchaseAttempt click) =>
        (int)Math.Ceiling(_options.AnswerWithinMs - time.GetElapsedTime(click.AskedAt).TotalMilliseconds);

    private Placement? PlacementOf(PurchaseAttempt click, ReserveResult result, decimal unitPrice) => result.Code switch
    {
        ReserveCode.Accepted => Reserved(click, unitPrice),
        ReserveCode.Duplicate => new Placement(PlaceOutcome.Queued, result.OrderId),
        ReserveCode.NumberUsed => new Placement(PlaceOutcome.NumberUsed),
        ReserveCode.SoldOut => new Placement(PlaceOutcome.SoldOut),
        ReserveCode.LimitReached => new Placement(PlaceOutcome.LimitReached, Value: result.Value),
        ReserveCode.IdTaken => DoubtIds(),
        ReserveCode.NotStarted => new Placement(PlaceOutcome.NotStarted, Value: result.Value),
        ReserveCode.Ended => new Placement(PlaceOutcome.Ended, Value: result.Value),
        ReserveCode.Paused => new Placement(PlaceOutcome.Paused),
        ReserveCode.Cold => ReportCold(click.Sku.SkuId),
        // The lane has logged it. It may be the repeat of a click that has bought, so no other answer would be true.
        ReserveCode.Unreadable => new Placement(PlaceOutcome.Busy),
        _ => throw new UnreachableException(),
    };

    private async Task<Placement?> RepeatOfAsync(long userId, long skuId, int quantity, string? clientOrderNo)
    {
        if (clientOrderNo is null)
        {
            return null;
        }

        try
        {
            var found = await clicks.FindAsync(new SkuKeys(skuId), userId, clientOrderNo, quantity, CancellationToken.None)
                .WaitAsync(TimeSpan.FromMilliseconds(_options.AnswerWithinMs), time);
            return found switch
            {
                null => null,
                { Code: ReserveCode.Duplicate, OrderId: var orderId } => new Placement(PlaceOutcome.Queued, orderId),
                { Code: ReserveCode.NumberUsed } => new Placement(PlaceOutcome.NumberUsed),
                { Code: ReserveCode.Cold } => ReportCold(skuId),
                _ => throw new UnreachableException(),
            };
        }
        catch (Exception exception) when (ServerFailures.IsOf(exception))
        {
            return new Placement(PlaceOutcome.Busy);
        }
    }

    private Placement Reserved(PurchaseAttempt click, decimal unitPrice)
    {
        counters.Add(PulseCounter.Accepted);
        return new Placement(PlaceOutcome.Queued, click.Request.OrderId, UnitPrice: unitPrice);
    }

    /// <summary>Another instance may generate ids with the same node.</summary>
    private Placement? DoubtIds()
    {
        ids.Doubt();
        return null;
    }

    private Placement ReportCold(long skuId)
    {
        if (catalogue.Find(skuId) is { } sale && StockLedger.ExpiryOf(sale.Terms) <= time.GetUtcNow())
        {
            // It ended so long ago that Redis may have dropped it, and it is not loaded again.
            return new Placement(PlaceOutcome.Ended, Value: sale.Terms.EndsAt.ToUnixTimeMilliseconds());
        }

        Cold?.Invoke(skuId);
        return new Placement(PlaceOutcome.WarmingUp);
    }

    private void Count(PlaceOutcome outcome)
    {
        counters.Add(PulseCounter.Requests);
        if (outcome is PlaceOutcome.WarmingUp or PlaceOutcome.Busy)
        {
            counters.Add(PulseCounter.Errors);
        }
        else if (outcome != PlaceOutcome.Queued)
        {
            counters.Add(PulseCounter.Refused);
        }
    }

    private static string OutcomeTag(PlaceOutcome outcome) => outcome switch
    {
        PlaceOutcome.Queued => "queued",
        PlaceOutcome.SoldOut => "sold_out",
        PlaceOutcome.LimitReached => "limit_reached",
        PlaceOutcome.NotStarted => "not_started",
        PlaceOutcome.Ended => "ended",
        PlaceOutcome.Paused => "paused",
        PlaceOutcome.UnknownSku => "unknown_sku",
        PlaceOutcome.NumberUsed => "number_used",
        PlaceOutcome.PriceChanged => "price_changed",
        PlaceOutcome.WarmingUp => "warming_up",
        PlaceOutcome.Busy => "busy",
        _ => throw new UnreachableException(),
    };
}
