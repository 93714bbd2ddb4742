using Seckill.Bench.Load;

namespace Seckill.Bench.Chaos;

/// <summary>One click of one buyer with all its answers. Written by one buyer's loop, then by one poller, then read.</summary>
public sealed class ClickHistory(Buyer buyer, ChaosSale sale, int quantity)
{
    public Buyer Buyer { get; } = buyer;

    public ChaosSale Sale { get; } = sale;

    public int Quantity { get; } = quantity;

    /// <summary>Requests sent, including repeats.</summary>
    public int RequestCount { get; private set; }

    /// <summary>Order ids in answers "queued"; more than one would be two answers to one click.</summary>
    public List<long> QueuedIds { get; } = [];

    /// <summary>The amount that each order's answer named; the answer to a repeated click names none.</summary>
    public Dictionary<long, decimal> Amounts { get; } = [];

    /// <summary>Requests without a clear answer; each may have made the order.</summary>
    public int OpenCount { get; private set; }

    /// <summary>The reason for the gate's final refusal; null if there was none.</summary>
    public string? Refusal { get; private set; }

    /// <summary>The final state from the status route; null if there was none.</summary>
    public FinalState? Final { get; set; }

    /// <summary>Whether the buyer was told that the order is on its way.</summary>
    public bool Queued => QueuedIds.Count > 0;

    /// <summary>Whether the buyer cannot know the outcome.</summary>
    public bool Open => !Queued && Refusal is null;

    /// <summary>Notes an answer; true if a page would treat it as final.</summary>
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
