using System.Globalization;
using System.Text.RegularExpressions;

namespace Seckill.Tests.Model;

/// <summary>SPIN's result for one instance of the model.</summary>
/// <param name="Report">The verifier's output.</param>
/// <param name="History">The steps that lead to the error and its final state; empty if there is none.</param>
internal sealed record SearchResult(string Report, string History)
{
    public int Errors => int.Parse(Match(@"errors: (\d+)"), CultureInfo.InvariantCulture);

    /// <summary>The search was complete: not cut off by depth, memory or the first error.</summary>
    public bool IsExhaustive =>
        Report.Contains("Full statespace search for:", StringComparison.Ordinal)
        && !Regex.IsMatch(Report, "not completed|too small|out of memory|max search depth|hash factor|bitstate", RegexOptions.IgnoreCase);

    /// <summary>Lines of the model that the search never reached; most processes never end.</summary>
    public IEnumerable<string> Unreached =>
        Regex.Matches(Report, @"^\t(\w+\.pml:.+)$", RegexOptions.Multiline).Select(line => line.Groups[1].Value)
            .Where(line => !line.Contains("-end-", StringComparison.Ordinal));

    public string Figures =>
        $"{Match(@"(\S+) states, stored")} states of {Match(@"State-vector (\d+) byte")} bytes, {Match(@"(\S+) transitions")} transitions, "
            + $"{Match(@"(\S+)\ttotal actual memory usage")} MB, {Match(@"elapsed time (\S+)")} s";

    private string Match(string pattern) =>
        Regex.Match(Report, pattern) is { Success: true } match
            ? match.Groups[1].Value
            : throw new InvalidOperationException($"no '{pattern}' in what the verifier printed:\n{Report}");
}

/// <summary>
/// Searches an instance of the model: SPIN generates a verifier in C, which is compiled and visits every state. Runs in a folder of
/// its own, which is deleted afterwards.
/// </summary>
internal sealed class ProtocolSearch : IDisposable
{
    private const string Model = "seckill.pml";
    private const int GenerateTimeoutMs = 60_000;
    private const int CompileTimeoutMs = 120_000;

    /// <summary>A search takes a few seconds of one core; this allows for a busy machine.</summary>
    private const int SearchTimeoutMs = 300_000;

    private const int MemoryMbMax = 2_500;
    private const int DepthMax = 100_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("seckill-model-").FullName;
    private readonly string[] _defines;

    /// <param name="defines">The instance's parameters, such as <c>ORDERS=3</c>.</param>
    public ProtocolSearch(IEnumerable<string> defines)
    {
        _defines = [.. defines.Select(define => $"-D{define}")];
        foreach (var file in Directory.EnumerateFiles(ModelFiles.Folder, "*.pml"))
        {
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        }
    }

    /// <summary>Visits every state, and ends at the first error.</summary>
    public Task<SearchResult> RunAsync(CancellationToken cancellationToken) =>
        RunAsync(["-O2", "-DSAFETY", "-DNOFAIR"], cancellationToken);

    /// <summary>Searches breadth-first, so that the history of an error is as short as possible.</summary>
    public Task<SearchResult> FindShortestAsync(CancellationToken cancellationToken) =>
        RunAsync(["-O0", "-DSAFETY", "-DBFS", "-DCOLLAPSE"], cancellationToken);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<SearchResult> RunAsync(string[] compilerOptions, CancellationToken cancellationToken)
    {
        var spin = Tool("spin");
        await RunAsync([spin, "-a", .. _defines, Model], GenerateTimeoutMs, mustSucceed: true, cancellationToken);
        await RunAsync(
            [Tool("gcc"), "-w", $"-DMEMLIM={MemoryMbMax}", .. compilerOptions, "-o", "pan", "pan.c"],
            CompileTimeoutMs, mustSucceed: true, cancellationToken);
        var report = await RunAsync(
            [Path.Combine(_folder, "pan"), $"-m{DepthMax}"], SearchTimeoutMs, mustSucceed: false, cancellationToken);
        var history = File.Exists(Path.Combine(_folder, $"{Model}.trail"))
            ? await RunAsync([spin, "-t", "-T", .. _defines, Model], GenerateTimeoutMs, mustSucceed: false, cancellationToken)
            : "";
        return new SearchResult(report, WithoutZeros(history));
    }

    /// <summary>The steps in words, and the relevant variables of the final state.</summary>
    private static string WithoutZeros(string history) => string.Join(
        '\n', history.Split('\n').Where(line => !Regex.IsMatch(line, @" = 0$|\breplica\.|^spin: |proc +\d+ |processes created")));

    private Task<string> RunAsync(string[] command, int timeoutMs, bool mustSucceed, CancellationToken cancellationToken) =>
        ToolRun.RunAsync(new ChildCommand(command, _folder), timeoutMs, mustSucceed, cancellationToken);

    private static string Tool(string name) => ServerBinaries.Search(null, name) ?? throw new InvalidOperationException(
        $"{name} not found: the model's tests need the packages spin, gcc and libc6-dev, which ./seckill prepare installs");
}
