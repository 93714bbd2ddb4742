namespace Seckill.Tests.Model;

/// <summary>
/// The protocol keeps its promises in every history of the model, and SPIN finds planted bugs: docs/model.md.
/// </summary>
[Trait("Category", "Long")]
public sealed class ProtocolModelTests(ITestOutputHelper output)
{
    [Theory(Explicit = true)]
    [MemberData(nameof(ProtocolInstances.All), MemberType = typeof(ProtocolInstances))]
    public async Task Every_history_keeps_the_promises(string name, string has)
    {
        using var search = new ProtocolSearch(Defines(has));

        var result = await search.RunAsync(TestContext.Current.CancellationToken);

        Assert.True(result.Errors == 0, $"{name} ({has}) breaks a promise:\n{result.History}\n{result.Report}");
        Assert.True(result.IsExhaustive, result.Report);
        // If it never came to rest, the final comparison never ran.
        Assert.All(
            result.Unreached.Where(line => line.StartsWith("promises.pml", StringComparison.Ordinal)),
            line => Assert.Contains("BROKEN", line, StringComparison.Ordinal));
        output.WriteLine($"{name} ({has}): {result.Figures}");
    }

    [Theory(Explicit = true)]
    [MemberData(nameof(ProtocolInstances.WithBugs), MemberType = typeof(ProtocolInstances))]
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
    /// Two Apis that mistake each other's load for a dead one and load for ever: found depth-first, because it is far from the start.
    /// </summary>
    [Fact(Explicit = true)]
    public async Task Loads_that_never_end_are_found()
    {
        using var search = new ProtocolSearch(Defines($"APIS=2 LOSSES=1 BUG_{ProtocolInstances.EndlessLoads}"));

        var result = await search.RunAsync(TestContext.Current.CancellationToken);

        Assert.True(result.Errors == 1, result.Report);
        Assert.Contains("loads<=6", result.Report, StringComparison.Ordinal);
        output.WriteLine($"LOOKED_WITHOUT_LOCK: {result.Figures}\n{result.History}");
    }

    private static string[] Defines(string has) => has.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
