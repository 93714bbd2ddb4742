using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Ledger;

/// <content>An order and the events that happened to it.</content>
internal sealed partial class LedgerModel
{
    /// <summary>A reservation or foreign order on its way.</summary>
    public sealed class Order
    {
        public required long Id { get; init; }
        public required int User { get; init; }
        public required int Quantity { get; init; }
        public required string? Click { get; init; }

        /// <summary>Null for another producer's.</summary>
        public required long? Epoch { get; set; }

        public Settlement? Verdict { get; set; }

        /// <summary>Loads that had taken place when MySQL committed the verdict.</summary>
        public int LoadsBeforeCommit { get; set; }

        /// <summary>The load whose counter this reservation was deducted from; 0 if Redis has lost it.</summary>
        public int DeductedFromLoad { get; set; }

        /// <summary>Whether the buyer's purchase limit counts it.</summary>
        public bool CountsForBuyer { get; set; }

        public bool KnownToRedis { get; set; }
        public bool SettledInRedis { get; set; }

        /// <summary>Whether it is in the outbox although it is settled.</summary>
        public bool Recalled { get; set; }

        public bool StockDeducted => Verdict is { StockDeducted: true };
    }
}
