using Seckill.Bench.Load;

namespace Seckill.Bench.Audit;

/// <summary>Compares the books with the answers that the buyers got. All zeros means correct.</summary>
/// <param name="Oversold">Units in live orders beyond the units for sale.</param>
/// <param name="Lost">Buyers who were told "queued" or SUCCESS and have no order, or who never got a final answer.</param>
/// <param name="Doubled">Orders beyond the one allowed per click.</param>
/// <param name="Contradicted">Buyers who were told the opposite of what MySQL has.</param>
/// <param name="Leaked">Units that are neither sold nor for sale, or sold and still for sale; in MySQL or between the stores.</param>
/// <param name="Unanswered">Clicks that got no answer at all.</param>
public sealed record SaleVerdict(long Oversold, long Lost, long Doubled, long Contradicted, long Leaked, long Unanswered)
{
    public bool Clean => this is { Oversold: 0, Lost: 0, Doubled: 0, Contradicted: 0, Leaked: 0, Unanswered: 0 };

    /// <summary>Judges a sale in which each buyer clicked once.</summary>
    /// <param name="before">The books before the first click.</param>
    /// <param name="after">The books once all is quiet.</param>
    /// <param name="answers">The gate's answer to every click.</param>
    /// <param name="outcomes">The final answer to every queued buyer.</param>
    public static SaleVerdict Of(SaleBooks before, SaleBooks after, IReadOnlyList<Answer> answers, IReadOnlyList<Outcome> outcomes)
    {
        var initial = before.MySqlStock + before.UnitsSold;
        var booked = after.Orders.Select(o => o.OrderId).ToHashSet();
        var buyers = answers.Select(a => a.Buyer.UserId).ToHashSet();
        var doubled = after.Orders.Where(o => buyers.Contains(o.UserId)).GroupBy(o => o.UserId).Sum(orders => orders.Count() - 1L)
            + (after.Orders.Count - booked.Count);

        long lost = 0, contradicted = 0;
        foreach (var outcome in outcomes)
        {
            var id = outcome.Answer.OrderId;
            var has = booked.Contains(id);
            var known = has || after.RejectedOrderIds.Contains(id);
            if (!known || outcome.State == FinalState.Unknown)
            {
                lost++;
            }
            else if (has != (outcome.State == FinalState.Success))
            {
                contradicted++;
            }
        }

        var refused = answers.Where(a => a.Outcome == AskOutcome.Refused).Select(a => a.Buyer.UserId).ToHashSet();
        contradicted += after.Orders.Count(o => refused.Contains(o.UserId));
        // Without a final answer, a queued click that is missing among the outcomes is lost too.
        lost += answers.Count(a => a.Outcome == AskOutcome.Queued) - outcomes.Count;

        var leakedInMySql = Math.Abs(initial - after.UnitsSold - after.MySqlStock);
        // A gate that does not know the SKU sells none of it.
        var leakedAtGate = Math.Abs(after.MySqlStock - (after.RedisStock ?? 0));
        return new SaleVerdict(
            Math.Max(0, after.UnitsSold - initial), lost, doubled, contradicted, leakedInMySql + leakedAtGate,
            answers.Count(a => a.Outcome == AskOutcome.NoAnswer));
    }
}
