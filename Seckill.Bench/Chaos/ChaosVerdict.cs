using Seckill.Bench.Load;

namespace Seckill.Bench.Chaos;

/// <summary>Compares the stores with the buyers' answers. All zeros means correct.</summary>
/// <param name="Oversold">Units in live orders beyond those put on sale.</param>
/// <param name="Lost">Buyers who were told "queued" and have neither order nor refusal, or who never got a final answer.</param>
/// <param name="Doubled">Orders beyond the one allowed per click.</param>
/// <param name="Contradicted">Buyers who were told the opposite of what MySQL has.</param>
/// <param name="Leaked">Units that are neither sold nor for sale: between MySQL and what was put on sale, between Redis and MySQL, or held
/// by nobody.</param>
/// <param name="Unsettled">Reservations still open after everything came to rest.</param>
/// <param name="LeftInQueue">Messages left in the order queue or parked.</param>
/// <param name="DeadLetters">Good orders among the dead letters, and bad messages missing from them.</param>
/// <param name="FalseAlarms">Differences that the live reconciliation showed.</param>
public sealed record ChaosVerdict(
    long Oversold, long Lost, long Doubled, long Contradicted, long Leaked, long Unsettled, long LeftInQueue, long DeadLetters,
    long FalseAlarms)
{
    public bool Clean => this == new ChaosVerdict(0, 0, 0, 0, 0, 0, 0, 0, 0);

    /// <summary>Judges a run in which each buyer clicked on one SKU only.</summary>
    /// <param name="books">The servers at rest.</param>
    /// <param name="clicks">All clicks and their answers.</param>
    /// <param name="falseAlarms">From the live reconciliation.</param>
    /// <param name="badMessages">The bodies of the bad messages that the run sent and the broker confirmed.</param>
    /// <param name="explain">Gets one line for each thing found.</param>
    public static ChaosVerdict Of(
        ChaosBooks books, IReadOnlyCollection<ClickHistory> clicks, long falseAlarms, IReadOnlyCollection<string> badMessages,
        Action<string> explain)
    {
        long lost = 0, contradicted = 0;
        foreach (var sku in books.Skus)
        {
            var ids = sku.Lines.Select(line => line.OrderId).ToHashSet();
            var charged = sku.Lines.ToDictionary(line => line.OrderId, line => line.Amount);
            var owners = sku.Lines.Where(line => line.Live).Select(line => line.UserId).ToHashSet();
            foreach (var click in clicks.Where(click => click.Sale.SkuId == sku.Sale.SkuId))
            {
                if (LossOf(click, sku, ids, owners) is { } loss)
                {
                    lost++;
                    explain(
                        $"LOST user {click.Buyer.UserId} SKU {sku.Sale.SkuId} orders {string.Join(' ', click.QueuedIds)} no "
                            + $"{click.Buyer.ClientOrderNo}: {loss}");
                }
                else if (ContradictionOf(click, owners, charged) is { } contradiction)
                {
                    contradicted++;
                    explain(
                        $"CONTRADICTED user {click.Buyer.UserId} SKU {sku.Sale.SkuId} orders {string.Join(' ', click.QueuedIds)}: "
                            + $"{contradiction}");
                }
            }
        }

        return new ChaosVerdict(
            books.Skus.Sum(sku => Math.Max(0, sku.LiveUnits - sku.Sale.Units)),
            lost,
            books.Skus.Sum(DoubledIn),
            contradicted,
            books.Skus.Sum(sku =>
                Math.Abs(sku.Sale.Units - sku.LiveUnits - sku.MySqlStock) + Math.Abs(sku.MySqlStock - (sku.RedisStock ?? 0))
                    + Math.Abs(sku.Held)),
            books.Skus.Sum(sku => Math.Max(sku.Unsettled, sku.Pending)),
            books.LeftInQueue, WrongLettersIn(books.DeadLetters, badMessages, explain), falseAlarms);
    }

    /// <summary>
    /// A letter may be there twice if the worker died between its confirm and the ack. A letter of a message without a confirm is still
    /// one of ours.
    /// </summary>
    private static long WrongLettersIn(
        IReadOnlyCollection<string> letters, IReadOnlyCollection<string> badMessages, Action<string> explain)
    {
        var wrong = letters.Where(letter => !letter.Contains(Disturbances.Mark, StringComparison.Ordinal)).ToList();
        var missing = badMessages.Except(letters).ToList();
        wrong.ForEach(letter => explain($"DEAD LETTER {letter}"));
        missing.ForEach(message => explain($"NO DEAD LETTER {message}"));
        return wrong.Count + missing.Count;
    }

    /// <summary>One line for each buyer: a buyer clicks on one SKU only, however often the click is repeated.</summary>
    private static long DoubledIn(SkuBooks sku) =>
        sku.Lines.Where(line => line.Live).GroupBy(line => line.UserId).Sum(lines => lines.Count() - 1L);

    private static string? LossOf(ClickHistory click, SkuBooks sku, HashSet<long> ids, HashSet<long> owners)
    {
        if (!click.Queued)
        {
            return null;
        }

        // If one click got two order ids, the second becomes no order when the first already is one.
        var unknown = click.QueuedIds.Where(id => !ids.Contains(id) && !sku.Rejected.Contains(id)).ToList();
        return unknown.Count > 0 && !owners.Contains(click.Buyer.UserId) ? "neither order nor refusal"
            : click.Final is null ? "no final answer"
            : unknown.Count == click.QueuedIds.Count ? "an order, but not the one that was promised"
            : null;
    }

    private static string? ContradictionOf(ClickHistory click, HashSet<long> owners, Dictionary<long, decimal> charged)
    {
        var has = owners.Contains(click.Buyer.UserId);
        return click.QueuedIds.Count > 1 ? "two order ids for one click"
            : click.Amounts.Any(told => charged.TryGetValue(told.Key, out var amount) && amount != told.Value)
            ? $"told {string.Join(", ", click.Amounts)}, charged a different amount"
            : click.Final == FinalState.Success && !has ? "told SUCCESS, no order"
            : click.Final == FinalState.Failed && has ? "told FAILED, has an order"
            : click is { Queued: true, Refusal: not null } ? $"told queued, then {click.Refusal}"
            // A request that got no answer before the refusal may have been carried out after it.
            : click is { Queued: false, Refusal: not null, OpenCount: 0 } && has ? $"told {click.Refusal}, has an order"
            : null;
    }
}
