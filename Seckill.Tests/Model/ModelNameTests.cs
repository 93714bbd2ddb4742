using System.Reflection;
using System.Text.RegularExpressions;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;
using Seckill.OrderWorker.Batches;

namespace Seckill.Tests.Model;

/// <summary>
/// States, codes, scripts and crash points have the same names in the model as in the code, so that one can be read beside the other.
/// </summary>
[Trait("Category", "Quick")]
public sealed class ModelNameTests
{
    /// <summary>Labels that are not crash points.</summary>
    private static readonly string[] OwnLabels = ["ends", "dies", "acks", "closes", "locked", "late"];

    /// <summary>
    /// Parts shared by the other scripts, which are not steps, and the search for orders that MySQL has lost, which the model leaves out.
    /// </summary>
    private static readonly string[] LeftOut = ["record.lua", "recall.lua", "review.lua"];

    private static IEnumerable<string> CrashPoints => typeof(CrashPoint).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Where(constant => constant.IsLiteral).Select(constant => (string)constant.GetRawConstantValue()!);

    [Fact]
    public void An_order_has_the_states_of_the_code() =>
        Assert.Equal(Enum.GetNames<OrderState>().Order(StringComparer.Ordinal), Names(nameof(OrderState)).Order(StringComparer.Ordinal));

    [Fact]
    public void Codes_are_codes_of_the_code()
    {
        AssertAmong(Enum.GetNames<ReserveCode>(), Names(nameof(ReserveCode)));
        AssertAmong(Enum.GetNames<VerdictKind>(), Names(nameof(VerdictKind)));
        var settling = Regex.Matches(ModelFiles.Text("redis.pml"), @"^ +::.+/\* (\w+) \*/$", RegexOptions.Multiline);
        AssertAmong(Enum.GetNames<SettleCode>(), [.. settling.Select(code => code.Groups[1].Value)]);
    }

    [Fact]
    public void A_label_is_a_crash_point_and_every_crash_point_has_one()
    {
        var labels = Regex.Matches(ModelFiles.AllText, @"^(\w+):$", RegexOptions.Multiline).Select(label => label.Groups[1].Value)
            .Distinct();
        Assert.Equal(
            CrashPoints.Select(point => point.Replace('-', '_')).Order(StringComparer.Ordinal),
            labels.Except(OwnLabels).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_step_in_Redis_is_a_script_and_every_script_is_a_step()
    {
        var scripts = Directory.EnumerateFiles(Path.Combine(Repository.Root, "Seckill.Ordering", "Ledger"), "*.lua")
            .Select(Path.GetFileName);
        var steps = Regex.Matches(ModelFiles.Text("redis.pml"), @"^(?:inline|#define) ((?!is_)\w+)\(", RegexOptions.Multiline)
            .Select(step => $"{step.Groups[1].Value}.lua");
        Assert.Equal(scripts.Except(LeftOut).Order(StringComparer.Ordinal), steps.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_bug_in_the_model_is_looked_for()
    {
        var bugs = Regex.Matches(ModelFiles.AllText, @"\bBUG_(\w+)").Select(bug => bug.Groups[1].Value).Distinct()
            .Order(StringComparer.Ordinal);
        var planted = ProtocolInstances.WithBugs.Select(row => row.Data.Item1).Append(ProtocolInstances.EndlessLoads)
            .Order(StringComparer.Ordinal);
        Assert.Equal(bugs, planted);
    }

    private static void AssertAmong(string[] code, string[] model)
    {
        Assert.NotEmpty(model);
        Assert.All(model, name => Assert.Contains(name, code));
    }

    /// <summary>The names of one enum in the model; a comment on the line names the enum.</summary>
    private static string[] Names(string type) =>
        Regex.Match(ModelFiles.AllText, $@"mtype = {{ ([\w, ]+) }};\s*/\* {type}\b") is { Success: true } match
            ? match.Groups[1].Value.Split(", ")
            : [];
}
