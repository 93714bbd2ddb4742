namespace Seckill.Tests.Model;

/// <summary>
/// The protocol keeps its promises in every history that the model has, and SPIN would notice if it did not: docs/model.md.
/// </summary>
[Trait("Category", "Long")]
public sealed class ProtocolModelTests(ITestOutputHelper output)
{
    /// <summary>Name, and what the instance has.</summary>
    public static TheoryData<string, string> Instances { get; } = new()
    {
        { "the route", "ORDERS=3 STOCK=2 WORKERS=2 LETTERS=1" },
        { "stock is added", "ORDERS=3 STOCK=2 APIS=2 ADDITIONS=1" },
        { "stock is added and a load dies", "APIS=2 ADDITIONS=1 DEATHS=1" },
        { "Redis loses something and a load dies", "APIS=2 LOSSES=1 DEATHS=1" },
        { "Redis loses something and stock is added", "APIS=1 LOSSES=1 ADDITIONS=1" },
        { "three clicks of one buyer, and Redis loses something", "ORDERS=3 STOCK=3 LIMIT=2 ONE_BUYER APIS=1 LOSSES=1" },
    };

    /// <summary>A planted bug, and the smallest instance that shows it.</summary>
    public static TheoryData<string, string> Bugs { get; } = new()
    {
        { "NO_OUTBOX", "" },
        { "DUPLICATE_DEDUCTS", "" },
        { "CONFIRMED_IS_DONE", "APIS=1 LOSSES=1" },
        { "SWEPT_WITH_NEW_ID", "STOCK=2" },
        { "ACK_BEFORE_COMMIT", "APIS=1 LOSSES=1" },
        { "NO_PRIMARY_KEY", "STOCK=2" },
        { "CLICK_NOT_UNIQUE", "STOCK=2 LIMIT=2 APIS=1 LOSSES=1" },
        { "LIMIT_AT_GATE_ONLY", "STOCK=2 APIS=1 LOSSES=1" },
        { "REJECTION_FORGOTTEN", "LETTERS=1" },
        { "EPOCH_READ_BEFORE_LOCK", "APIS=1 LOSSES=1" },
        { "FAILED_KEEPS_STOCK", "LETTERS=1" },
        { "SETTLED_TWICE", "APIS=1 LOSSES=1" },
        { "EPOCHS_IGNORED", "APIS=1 LOSSES=1" },
        { "COUNTED_BY_EPOCH", "APIS=2 LOSSES=1" },
        { "SERVER_NOT_ASKED", "APIS=1 LOSSES=1" },
        { "LOAD_IGNORES_HELD", "APIS=1 ADDITIONS=1" },
        { "LOAD_WITHOUT_LOCK", "APIS=1 ADDITIONS=1" },
        { "EPOCH_NUMBERS_ONLY", "APIS=1 ADDITIONS=2 DEATHS=1" },
        { "ADDED_OVER_RUNNING_COUNTER", "APIS=1 ADDITIONS=1" },
        { "BUYERS_NOT_RESTORED", "APIS=1 LOSSES=1" },
        { "KNOWN_BUYERS_LEFT_ALONE", "APIS=1 LOSSES=1" },
        { "WARM_ON_ANOTHER_SERVER", "APIS=1 LOSSES=1 ADDITIONS=1" },
    };

    [Theory(Explicit = true)]
    [MemberData(nameof(Instances))]
    public async Task Every_history_keeps_the_promises(string name, string has)
    {
        using var search = new ProtocolSearch(Defines(has));

        var result = await search.RunAsync(TestContext.Current.CancellationToken);

        Assert.True(result.Errors == 0, $"{name} ({has}) breaks a promise:\n{result.History}\n{result.Report}");
        Assert.True(result.IsExhaustive, result.Report);
        // Where it never came to rest, nothing was compared in the end.
        Assert.All(
            result.Unreached.Where(line => line.StartsWith("promises.pml", StringComparison.Ordinal)),
            line => Assert.Contains("BROKEN", line, StringComparison.Ordinal));
        output.WriteLine($"{name} ({has}): {result.Figures}");
    }

    [Theory(Explicit = true)]
    [MemberData(nameof(Bugs))]
    public async Task A_planted_bug_breaks_a_promise(string bug, string has)
    {
        using var search = new ProtocolSearch(Defines($"{has} BUG_{bug}"));

        var result = await search.FindShortestAsync(TestContext.Current.CancellationToken);

        Assert.True(result.Errors == 1, $"{bug} went unnoticed ({has}):\n{result.Report}");
        Assert.Contains("assertion violated", result.Report, StringComparison.Ordinal);
        Assert.Contains("BROKEN: ", result.History, StringComparison.Ordinal);
        output.WriteLine($"{bug} ({has}): {result.Figures}\n{result.History}");
    }

    /// <summary>
    /// Two Apis that take each other's load for one that died, and load for ever: found in depth, since it is far from the start.
    /// </summary>
    [Fact(Explicit = true)]
    public async Task Loads_that_never_end_are_found()
    {
        using var search = new ProtocolSearch(Defines("APIS=2 LOSSES=1 BUG_LOOKED_WITHOUT_LOCK"));

        var result = await search.RunAsync(TestContext.Current.CancellationToken);

        Assert.True(result.Errors == 1, result.Report);
        Assert.Contains("loads<=6", result.Report, StringComparison.Ordinal);
        output.WriteLine($"LOOKED_WITHOUT_LOCK: {result.Figures}\n{result.History}");
    }

    internal static IEnumerable<string> Defines(string has) => has.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
