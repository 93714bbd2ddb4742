using CsCheck;

namespace Seckill.Tests.Ledger;

/// <summary>One thing that happens to a SKU. Picks are random numbers, taken modulo the number of candidates.</summary>
internal abstract record LedgerStep
{
    /// <summary>
    /// The warm-up runs. With <paramref name="Crash"/> it dies when Redis has the load and MySQL does not. With <paramref name="Carry"/> it
    /// knows which unsettled orders MySQL has decided. With <paramref name="Again"/> it also loads a running counter. With
    /// <paramref name="Shut"/> it closes the gate and restores the buyers even if the counter is only outdated. With
    /// <paramref name="Told"/> the worker reports all verdicts to Redis between the restoring and the load. With
    /// <paramref name="Moved"/> the copy takes over at that moment.
    /// </summary>
    public sealed record Warm(bool Crash, int Limit, bool Paused, bool Carry, bool Again, bool Shut, bool Told, bool Moved) : LedgerStep;

    /// <summary>The gate is closed until the next load.</summary>
    public sealed record Close : LedgerStep;

    /// <summary>An operator puts more units on sale, and dies before the counter is reloaded.</summary>
    public sealed record AddStock(int Units) : LedgerStep;

    /// <summary>One call of the gate.</summary>
    public sealed record Reserve(Ask[] Asks) : LedgerStep;

    /// <summary>A request of the gate; click 0 is one without a client_order_no.</summary>
    public readonly record struct Ask(int User, int Click, int Quantity);

    /// <summary>The broker confirms one reservation.</summary>
    public sealed record Confirm(int Pick) : LedgerStep;

    /// <summary>The worker commits one message to MySQL; with <paramref name="Refuse"/> it refuses the order, whatever the stock.</summary>
    public sealed record Commit(int Pick, bool Refuse) : LedgerStep;

    /// <summary>
    /// The worker reports <paramref name="Count"/> verdicts to Redis, new or old; with <paramref name="Twice"/> one of them twice.
    /// </summary>
    public sealed record Settle(int Pick, int Count, bool Twice) : LedgerStep;

    /// <summary>
    /// In one call, the worker reports a verdict on another buyer's order that has this order's id, and a correct verdict.
    /// </summary>
    public sealed record SettleOthers(int Pick) : LedgerStep;

    /// <summary>A settled order goes back into the outbox, because MySQL does not have it or appears not to.</summary>
    public sealed record Recall(int Pick) : LedgerStep;

    /// <summary>Another producer sends an order in the plain shape, with or without deducting from the counter itself.</summary>
    public sealed record Foreign(int User, int Click, int Quantity, bool Deducts) : LedgerStep;

    /// <summary>A replica has all of Redis's current data and gets no further updates.</summary>
    public sealed record Copy : LedgerStep;

    /// <summary>The copy takes over, and the first instance to notice it closes the gate.</summary>
    public sealed record FailOver : LedgerStep;

    /// <summary>Redis loses all data of the SKU.</summary>
    public sealed record Flush : LedgerStep;

    /// <summary>Redis loses only the counter.</summary>
    public sealed record LoseCounter : LedgerStep;

    /// <summary>Redis loses the sale's terms, and with them the counter's epoch.</summary>
    public sealed record LoseSale : LedgerStep;

    public const int Users = 4;
    public const int ClicksPerUser = 3;

    private static readonly Gen<Ask> AnAsk =
        from user in Gen.Int[1, Users]
        from click in Gen.Int[0, ClicksPerUser]
        from quantity in Gen.Int[1, 3]
        select new Ask(user, click, quantity);

    private static readonly Gen<LedgerStep> Any = Gen.Frequency(
        (3, Gen.Select(
            Gen.Int[0, 4], Gen.Int[2, 8], Gen.Int[0, 9], Gen.Bool, Gen.Int[0, 9], Gen.Bool, Gen.Int[0, 9],
            (crash, limit, paused, carry, again, shut, meanwhile) =>
                (LedgerStep)new Warm(crash == 0, limit, paused == 0, carry, again == 0, shut, meanwhile < 3, meanwhile == 9))),
        (10, AnAsk.Array[1, 5].Select(asks => (LedgerStep)new Reserve(asks))),
        (3, Gen.Int[0, 999].Select(pick => (LedgerStep)new Confirm(pick))),
        (8, Gen.Select(Gen.Int[0, 999], Gen.Int[0, 4], (pick, refuse) => (LedgerStep)new Commit(pick, refuse == 0))),
        (8, Gen.Select(Gen.Int[0, 999], Gen.Int[1, 4], Gen.Bool, (pick, count, twice) => (LedgerStep)new Settle(pick, count, twice))),
        (1, Gen.Select(
            Gen.Int[1, Users], Gen.Int[0, ClicksPerUser], Gen.Int[1, 3], Gen.Bool, (u, c, q, d) => (LedgerStep)new Foreign(u, c, q, d))),
        (1, Gen.Int[0, 999].Select(pick => (LedgerStep)new SettleOthers(pick))),
        (1, Gen.Int[0, 999].Select(pick => (LedgerStep)new Recall(pick))),
        (1, Gen.Const((LedgerStep)new Close())),
        (3, Gen.Int[1, 4].Select(units => (LedgerStep)new AddStock(units))),
        (1, Gen.Const((LedgerStep)new Copy())),
        (1, Gen.Const((LedgerStep)new FailOver())),
        (1, Gen.Const((LedgerStep)new Flush())),
        (1, Gen.Const((LedgerStep)new LoseCounter())),
        (1, Gen.Const((LedgerStep)new LoseSale())));

    /// <summary>A history: MySQL's stock at the beginning, then what happens. Most begin with a warm-up, as most sales do.</summary>
    public static readonly Gen<(int Stock, LedgerStep[] Steps)> History =
        from stock in Gen.Int[0, 12]
        from limit in Gen.Int[2, 8]
        from cold in Gen.Int[0, 9]
        from steps in Any.Array[1, 40]
        select (stock, cold == 0 ? steps : [new Warm(false, limit, false, true, false, false, false, false), .. steps]);

    /// <summary>A readable history, one step per line.</summary>
    public static string Print((int Stock, LedgerStep[] Steps) history) =>
        $"stock {history.Stock}{Environment.NewLine}" + string.Join(Environment.NewLine, history.Steps.Select(step =>
            step is Reserve reserve ? $"Reserve {string.Join(", ", reserve.Asks)}" : step.ToString()));
}
