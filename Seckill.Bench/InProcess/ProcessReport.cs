using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace Seckill.Bench.InProcess;

/// <summary>The results as a table on the terminal, as Markdown and as JSON.</summary>
internal static class ProcessReport
{
    public const string JsonFileName = "process.json";
    public const string MarkdownFileName = "process.md";

    /// <summary>A file or a pipe has no width, and a wrapped table cannot be read.</summary>
    public const int WidthMin = 140;

    private static readonly string[] Headings =
        ["in one process", "of", "ns", "fastest", "slowest", "to the usual", "ns each order", "bytes", "bytes each order"];

    public static Table Table(IReadOnlyList<ProcessResult> results)
    {
        var table = new Table().AsciiBorder();
        for (var i = 0; i < Headings.Length; i++)
        {
            table.AddColumn(i < 2 ? new TableColumn(Headings[i]).NoWrap() : new TableColumn(Headings[i]).RightAligned());
        }

        foreach (var result in results)
        {
            table.AddRow(CellsOf(result));
        }

        return table;
    }

    /// <summary>Writes both files.</summary>
    public static async Task WriteAsync(string folder, IReadOnlyList<ProcessResult> results, CancellationToken cancellationToken)
    {
        string[] lines =
        [
            LineOf(Headings), LineOf(Headings.Select((_, i) => i < 2 ? "---" : "---:")),
            .. results.Select(result => LineOf(CellsOf(result))),
        ];
        await File.WriteAllLinesAsync(Path.Combine(folder, MarkdownFileName), lines, cancellationToken);
        var report = new ProcessReportJson(DateTimeOffset.UtcNow, Environment.Version.ToString(), Environment.ProcessorCount, results);
        await using var stream = File.Create(Path.Combine(folder, JsonFileName));
        await JsonSerializer.SerializeAsync(stream, report, ProcessJson.Default.ProcessReportJson, cancellationToken);
    }

    private static string[] CellsOf(ProcessResult result) =>
    [
        result.Name, result.Parameters, Number(result.MedianNs), Number(result.LeastNs), Number(result.MostNs),
        Number(result.ToBaseline, "0.00"),
        Number(result.MedianNs / result.Orders), Number(result.AllocatedBytes), Number((double)result.AllocatedBytes / result.Orders),
    ];

    private static string LineOf(IEnumerable<string> cells) => $"| {string.Join(" | ", cells)} |";

    private static string Number(double? value, string format = "N0") => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";
}

internal sealed record ProcessReportJson(DateTimeOffset At, string Net, int Processors, IReadOnlyList<ProcessResult> Results);

[JsonSourceGenerationOptions(
    WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ProcessReportJson))]
[JsonSerializable(typeof(IReadOnlyList<ProcessResult>))]
internal sealed partial class ProcessJson : JsonSerializerContext;
