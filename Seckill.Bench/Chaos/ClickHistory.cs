using Seckill.Bench.Load;

namespace Seckill.Bench.Chaos;

/// <summary>One click of one buyer with all that it was told. Written by one buyer's loop, then by one poller, then read.</summary>
public sealed class ClickHistory(Buyer buyer, ChaosSale sale, int quantity)
{
    public Buyer Buyer { get; } = buyer;

    public ChaosSale Sale { get; } = sale;

    public int Quantity { get; } = quantity;

    /// <summary>Requests that were sent, repeats included.</summary>
    public int RequestCount { get; private set; }

    /// <summary>Order ids in answers "queued"; more than one would be two answers to one click.</summary>
    public List<long> QueuedIds { get; } = [];

    /// <summary>What the answers said that each order will be charged; a repeated click's answer says nothing.</summary>
    public Dictionary<long, decimal> Amounts { get; } = [];

    /// <summary>Requests whose answer did not come or did not say; each may have made the order.</summary>
    public int OpenCount { get; private set; }

    /// <summary>Why the gate refused for good; null if it did not.</summary>
    public string? Refusal { get; private set; }

    /// <summary>What the status route said in the end; null when it did not, or was not asked.</summary>
    public FinalState? Final { get; set; }

    /// <summary>Whether the buyer was told that the order is on its way.</summary>
    public bool Queued => QueuedIds.Count > 0;

    /// <summary>Whether nobody knows, on the buyer's side.</summary>
    public bool Open => !Queued && Refusal is null;

    /// <summary>Notes an answer; true when it is one that a page would take for final.</summary>
    public bool Note(Answer answer)
    {
        RequestCount++;
        switch (answer.Outcome)
        {
            case AskOutcome.Queued:
                if (!QueuedIds.Contains(answer.OrderId))
                {
                    QueuedIds.Add(answer.OrderId);
                }

                if (answer.Amount is { } amount)
                {
                    Amounts[answer.OrderId] = amount;
                }

                return true;
            case AskOutcome.Refused when answer.Status is >= 400 and < 500 and not 429:
                Refusal = answer.Reason;
                return true;
            default:
                // No answer, or "busy": the reservation may have been made.
                OpenCount++;
                return false;
        }
    }
}
