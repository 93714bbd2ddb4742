using System.Text.RegularExpressions;

namespace Seckill.Tests.Documents;

/// <summary>
/// Every command in a document is run by a test, or listed in <c>commands.txt</c> with the reason why not; and every name in it exists.
/// </summary>
[Trait("Category", "Quick")]
public sealed partial class CommandTests
{
    private const string RunBy = "run by ";
    private const string NotRun = "not run: ";
    private const string CiRun = ".ci/run";

    private static readonly (string Beginning, string Check)[] Checks =
    [
        .. File.ReadLines(Path.Combine(Repository.Root, "Seckill.Tests", "Documents", "commands.txt"))
            .Where(line => line.Length > 0 && !line.StartsWith('#'))
            .Select(line => line.Split(" => ", 2))
            .Select(parts => (parts[0], parts[1])),
    ];

    private static readonly Type[] TestClasses = typeof(CommandTests).Assembly.GetTypes();

    private static IEnumerable<(string Place, string Command)> Commands => MarkdownFile.All.SelectMany(file =>
        file.Commands.Select(command => ($"{file.Path}:{command.Line}", command.Command)));

    [Fact]
    public void Every_command_is_run_or_says_why_it_is_not() =>
        Assert.Equal(
            [],
            Commands.Where(command => CheckOf(command.Command) is null).Select(command => $"{command.Place}: {command.Command}"));

    [Fact]
    public void Every_line_of_the_list_is_used_and_names_a_check_that_exists()
    {
        var used = Commands.Select(command => CheckOf(command.Command)).ToHashSet();

        Assert.Equal([], Checks.Where(check => !used.Contains(check)).Select(check => $"no document has: {check.Beginning}"));
        Assert.Equal([], Checks.Where(check => !IsSound(check.Check)).Select(check => $"{check.Beginning}: {check.Check}"));
    }

    /// <summary>CI runs the README's own test command, so that it is known to work.</summary>
    [Fact]
    public void CI_runs_the_test_command_of_the_README()
    {
        Assert.Contains("./seckill test", MarkdownFile.Of("README.md").Commands.Select(command => command.Command));
        Assert.Contains(" ./seckill test --all ", File.ReadAllText(Path.Combine(Repository.Root, CiRun)), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_command_of_the_script_that_is_named_is_in_its_usage()
    {
        var usage = UsageLine().Matches(File.ReadAllText(Path.Combine(Repository.Root, "seckill")))
            .Select(line => line.Groups[1].Value).ToHashSet();
        var named = MarkdownFile.All.SelectMany(file => ScriptCommand().Matches(file.Text)
            .Select(command => (file.Path, Command: command.Groups[1].Value))).ToList();

        Assert.NotEmpty(named);
        Assert.Equal([], named.Where(use => !usage.Contains(use.Command)).Select(use => $"{use.Path}: ./seckill {use.Command}"));
    }

    /// <summary>There is no program called <c>order-worker</c>: that is its service in Compose.</summary>
    [Fact]
    public void The_migration_is_started_by_its_program_or_by_Compose()
    {
        var uses = MarkdownFile.All.SelectMany(file => Migration().Matches(file.Text)
            .Select(use => (file.Path, Command: string.Join(' ', use.Value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)))))
            .ToList();

        Assert.NotEmpty(uses);
        Assert.Equal(
            [],
            uses.Where(use => use.Command is not ("dotnet Seckill.OrderWorker.dll --migrate-only"
                or "docker compose run --rm order-worker --migrate-only")).Select(use => $"{use.Path}: {use.Command}"));
    }

    [Fact]
    public void A_filter_in_a_command_finds_tests()
    {
        var filters = Commands.SelectMany(command => Filter().Matches(command.Command)
            .Select(filter => (command.Place, Kind: filter.Groups[1].Value, Name: filter.Groups[2].Value))).ToList();

        Assert.NotEmpty(filters);
        Assert.Equal(
            [],
            filters.Where(filter => !TestClasses.Any(type => filter.Kind switch
            {
                "class" => type.Name == filter.Name,
                "namespace" => type.Namespace == filter.Name,
                _ => type.GetMethods().Any(method => method.IsDefined(typeof(FactAttribute), inherit: true) && method.Name == filter.Name),
            })).Select(filter => $"{filter.Place}: {filter.Name}"));
    }

    [Theory]
    [InlineData("./seckill bench process", RunBy + "ProcessRunTests")]
    [InlineData("./seckill bench --quick", RunBy + "BenchSmokeTests")]
    [InlineData("rm -rf .", null)]
    public void The_longest_beginning_counts(string command, string? check) => Assert.Equal(check, CheckOf(command)?.Check);

    private static (string Beginning, string Check)? CheckOf(string command) => Checks
        .Where(check => command.StartsWith(check.Beginning, StringComparison.Ordinal))
        .OrderByDescending(check => check.Beginning.Length)
        .Cast<(string, string)?>().FirstOrDefault();

    private static bool IsSound(string check) =>
        check.StartsWith(NotRun, StringComparison.Ordinal) ? check.Length > NotRun.Length
        : check == RunBy + CiRun || TestClasses.Any(type => check == RunBy + type.Name);

    [GeneratedRegex(@"^  (\w+)\b", RegexOptions.Multiline)]
    private static partial Regex UsageLine();

    [GeneratedRegex(@"\./seckill (\w+)")]
    private static partial Regex ScriptCommand();

    [GeneratedRegex(@"(?:dotnet |docker compose run --rm )?\S+\s+--migrate-only")]
    private static partial Regex Migration();

    [GeneratedRegex(@"--filter-(class|method|namespace) '?\*?([\w.]+)")]
    private static partial Regex Filter();
}
