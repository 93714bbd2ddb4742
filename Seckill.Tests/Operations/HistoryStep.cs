namespace Seckill.Tests.Operations;

/// <summary>
/// One thing that happens to a SKU. Picks are random numbers, taken modulo the number of candidates; <c>At</c> is the Api instance
/// that takes the step.
/// </summary>
internal abstract record HistoryStep
{
    /// <summary>A buyer clicks; click 0 is one without a client_order_no.</summary>
    public sealed record Click(int At, int User, int Number, int Quantity, Death? Dies) : HistoryStep;

    /// <summary>Unconfirmed orders are republished; the broker's confirms are noted or lost.</summary>
    public sealed record Sweep(int At, bool Noted, Death? Dies) : HistoryStep;

    /// <summary>A worker takes messages and commits them without acking.</summary>
    public sealed record Write(bool Quick, int Pick, int Count, bool Twice) : HistoryStep;

    /// <summary>A worker reports its commits to Redis, and acks.</summary>
    public sealed record Settle(int Pick, bool Acks) : HistoryStep;

    /// <summary>The workers' unacked messages go back to the queue.</summary>
    public sealed record WorkersDie : HistoryStep;

    /// <summary>The loader's round.</summary>
    public sealed record Look(int At, Death? Dies) : HistoryStep;

    /// <summary>The reconciler's pass.</summary>
    public sealed record Reconcile(int At, Death? Dies) : HistoryStep;

    /// <summary>An operator has the counter loaded again.</summary>
    public sealed record Reload(int At, Death? Dies) : HistoryStep;

    public sealed record AddStock(int At, int Units, Death? Dies) : HistoryStep;

    public sealed record Pause(int At, bool Paused, Death? Dies) : HistoryStep;

    /// <summary>An operator changes limit and price.</summary>
    public sealed record Edit(int At, int Limit, int Price, Death? Dies) : HistoryStep;

    /// <summary>An instance is killed and another takes its place.</summary>
    public sealed record Restart(int At) : HistoryStep;

    /// <summary>A script of a dead caller is executed.</summary>
    public sealed record LateCall(int Pick) : HistoryStep;

    /// <summary>A replica has all of Redis's current data and gets no further updates.</summary>
    public sealed record Copy : HistoryStep;

    /// <summary>The copy takes over.</summary>
    public sealed record FailOver : HistoryStep;

    /// <summary>Redis loses all data of the SKU.</summary>
    public sealed record Flush : HistoryStep;

    /// <summary>Two things at the same time.</summary>
    public sealed record Together(HistoryStep One, HistoryStep Other) : HistoryStep;
}

/// <summary>The sale at the beginning, and the steps.</summary>
/// <param name="HidesServer">Whether Redis does not say which server it is, as managed services may.</param>
/// <param name="Units">Units put on sale.</param>
/// <param name="Limit">Units that one buyer may have.</param>
/// <param name="Steps">The steps.</param>
internal sealed record History(bool HidesServer, int Units, int Limit, IReadOnlyList<HistoryStep> Steps)
{
    public const int Instances = 2;

    private const int PartsMax = 30;
    private const int UsersMax = 3;
    private const int CallsBeforeDeathMax = 30;

    public static History Random(int seed)
    {
        var random = new Random(seed);
        List<HistoryStep> steps = [new HistoryStep.Look(0, null)];
        for (var more = random.Next(6, PartsMax); more > 0; more--)
        {
            steps.AddRange(random.Next(3) == 0 ? Purchase(random) : [AnyStep(random)]);
        }

        return new History(random.Next(4) == 0, random.Next(1, 9), random.Next(1, 4), steps);
    }

    /// <summary>In readable form.</summary>
    public string Print() =>
        $"{Units} units, limit {Limit}{(HidesServer ? ", Redis does not say which server it is" : "")}{Environment.NewLine}"
        + string.Join(Environment.NewLine, Steps);

    /// <summary>An order's usual route, which may end early.</summary>
    private static IEnumerable<HistoryStep> Purchase(Random random)
    {
        var at = random.Next(Instances);
        HistoryStep[] way =
        [
            ClickAt(random, at), ClickAt(random, at), new HistoryStep.Sweep(at, random.Next(2) == 0, null),
            new HistoryStep.Write(random.Next(2) == 0, random.Next(100), random.Next(1, 5), false),
            new HistoryStep.Settle(random.Next(100), true),
        ];
        return way.Skip(random.Next(2)).Take(random.Next(2, way.Length + 1));
    }

    private static HistoryStep AnyStep(Random random) => random.Next(8) == 0
        ? new HistoryStep.Together(OfInstance(random, 0), random.Next(2) == 0 ? OfInstance(random, 1) : OfWorker(random))
        : Rare(random) ?? (random.Next(3) == 0 ? OfWorker(random) : OfInstance(random, random.Next(Instances)));

    private static HistoryStep? Rare(Random random) => random.Next(30) switch
    {
        0 or 1 => new HistoryStep.Copy(),
        2 or 3 => new HistoryStep.FailOver(),
        4 => new HistoryStep.Flush(),
        5 => new HistoryStep.Restart(random.Next(Instances)),
        6 or 7 => new HistoryStep.LateCall(random.Next(100)),
        8 => new HistoryStep.WorkersDie(),
        _ => null,
    };

    private static HistoryStep OfWorker(Random random) => random.Next(2) == 0
        ? new HistoryStep.Write(random.Next(2) == 0, random.Next(100), random.Next(1, 5), random.Next(4) == 0)
        : new HistoryStep.Settle(random.Next(100), random.Next(4) > 0);

    private static HistoryStep OfInstance(Random random, int at) => random.Next(20) switch
    {
        < 8 => ClickAt(random, at),
        < 12 => new HistoryStep.Sweep(at, random.Next(2) == 0, DeathOf(random, 10)),
        < 15 => new HistoryStep.Look(at, DeathOf(random, 3)),
        15 => new HistoryStep.Reconcile(at, DeathOf(random, 6)),
        16 => new HistoryStep.Reload(at, DeathOf(random, 3)),
        17 => new HistoryStep.Pause(at, random.Next(2) == 0, DeathOf(random, 3)),
        18 => new HistoryStep.Edit(at, random.Next(1, 4), random.Next(1, 10), DeathOf(random, 3)),
        _ => new HistoryStep.AddStock(at, random.Next(1, 4), DeathOf(random, 3)),
    };

    private static HistoryStep.Click ClickAt(Random random, int at) =>
        new(at, random.Next(1, UsersMax + 1), random.Next(4), random.Next(1, 3), DeathOf(random, 10));

    private static Death? DeathOf(Random random, int oneIn) =>
        random.Next(oneIn) == 0 ? new Death(random.Next(CallsBeforeDeathMax), random.Next(2) == 0) : null;
}
