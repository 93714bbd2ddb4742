using System.Diagnostics;
using System.Globalization;
using Seckill.Bench.Audit;
using Seckill.Bench.Load;
using Spectre.Console;

namespace Seckill.Bench.Demo;

/// <summary>The results of one run of the demonstration.</summary>
public sealed record DemoFigures(
    SaleBooks Before,
    SaleBooks After,
    RushResult Rush,
    IReadOnlyList<Outcome> Outcomes,
    IReadOnlyList<StockChange> StockChanges,
    SaleVerdict Verdict);

/// <summary>Prints the run as one table.</summary>
public static class DemoReport
{
    public static void Print(IAnsiConsole console, DemoFigures figures)
    {
        var table = new Table { Border = Console.IsOutputRedirected ? TableBorder.Ascii : TableBorder.Rounded, ShowHeaders = false };
        table.AddColumn("what").AddColumn(new TableColumn("count").RightAligned());
        AddAnswers(table, figures);
        table.AddEmptyRow();
        AddBooks(table, figures);
        table.AddEmptyRow();
        AddVerdict(table, figures.Verdict);
        table.AddEmptyRow();
        AddTimes(table, figures);
        console.Write(table);

        // Not in the table: a narrow terminal would wrap the id, which is meant to be copied.
        if (figures.After.Orders.Select(o => o.TraceId).FirstOrDefault(id => id.Length > 0) is { } trace)
        {
            console.WriteLine($"one order's trace: {trace}");
        }

        console.MarkupLine(figures.Verdict switch
        {
            { Clean: true } => "[green]Nothing oversold, nothing lost, nothing doubled.[/]",
            { Unanswered: > 0 } verdict when (verdict with { Unanswered = 0 }).Clean =>
                "[yellow]Nothing oversold, nothing lost, nothing doubled; but some clicks got no answer.[/]",
            _ => "[red]The books do not agree with what the buyers were told.[/]",
        });
    }

    private static void AddAnswers(Table table, DemoFigures figures)
    {
        var answers = figures.Rush.Answers;
        Row(table, "asked", answers.Count);
        Row(table, "queued", answers.Count(a => a.Outcome == AskOutcome.Queued));
        foreach (var reason in answers.Where(a => a.Outcome == AskOutcome.Refused).GroupBy(a => a.Reason).OrderByDescending(g => g.Count()))
        {
            Row(table, $"refused: {reason.Key}", reason.Count());
        }

        foreach (var reason in answers.Where(a => a.Outcome == AskOutcome.NoAnswer).GroupBy(a => a.Reason)
            .OrderByDescending(g => g.Count()))
        {
            Row(table, $"no answer: {reason.Key}", reason.Count());
        }

        Row(table, "SUCCESS", figures.Outcomes.Count(o => o.State == FinalState.Success));
        Row(table, "FAILED", figures.Outcomes.Count(o => o.State == FinalState.Failed));
        if (figures.Outcomes.Count(o => o.State == FinalState.Unknown) is > 0 and var unknown)
        {
            Row(table, "no final answer", unknown);
        }
    }

    private static void AddBooks(Table table, DemoFigures figures)
    {
        Row(table, "orders written to MySQL", figures.After.Orders.Count - figures.Before.Orders.Count);
        Row(table, "stock before", figures.Before.MySqlStock);
        Row(table, "stock left in MySQL", figures.After.MySqlStock);
        table.AddRow("stock left in Redis", figures.After.RedisStock?.ToString("N0", CultureInfo.InvariantCulture) ?? "not loaded");
    }

    private static void AddVerdict(Table table, SaleVerdict verdict)
    {
        Judged(table, "oversold", verdict.Oversold);
        Judged(table, "lost", verdict.Lost);
        Judged(table, "doubled", verdict.Doubled);
        Judged(table, "told the opposite", verdict.Contradicted);
        Judged(table, "units leaked", verdict.Leaked);
        Judged(table, "without an answer", verdict.Unanswered);
    }

    private static void AddTimes(Table table, DemoFigures figures)
    {
        var latencies = figures.Rush.LatenciesUs;
        table.AddRow("everyone was told queued or refused after", Seconds(figures.Rush.Elapsed));
        table.AddRow("answer p50 / p99 / max", string.Create(
            CultureInfo.InvariantCulture,
            $"{latencies.GetValueAtPercentile(50) / 1000.0:N1} / {latencies.GetValueAtPercentile(99) / 1000.0:N1} / "
                + $"{latencies.GetValueAtPercentile(100) / 1000.0:N1} ms"));
        // The first entry is the stock at the start, not a change.
        if (figures.StockChanges.Count > 1)
        {
            table.AddRow(
                "last order was in MySQL, from the first click, after",
                Seconds(Stopwatch.GetElapsedTime(figures.Rush.StartedAt, figures.StockChanges[^1].At)));
        }
    }

    private static void Row(Table table, string what, long count) =>
        table.AddRow(Markup.Escape(what), count.ToString("N0", CultureInfo.InvariantCulture));

    private static void Judged(Table table, string what, long count) =>
        table.AddRow($"[bold]{what}[/]", $"[bold {(count == 0 ? "green" : "red")}]{count.ToString("N0", CultureInfo.InvariantCulture)}[/]");

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:N2} s");
}
