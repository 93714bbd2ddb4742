using System.Globalization;
using Seckill.Bench.Load;
using Spectre.Console;

namespace Seckill.Bench.Chaos;

/// <summary>Prints a run as one table.</summary>
public static class ChaosReport
{
    public static void Print(IAnsiConsole console, ChaosFigures figures)
    {
        var table = new Table { Border = Console.IsOutputRedirected ? TableBorder.Ascii : TableBorder.Rounded, ShowHeaders = false };
        table.AddColumn("what").AddColumn(new TableColumn("count").RightAligned());
        AddClicks(table, figures);
        table.AddEmptyRow();
        AddVerdict(table, figures.Verdict);
        table.AddEmptyRow();
        foreach (var (component, count) in figures.Kills)
        {
            Row(table, $"SIGKILL {component}", count);
        }

        foreach (var (component, count) in figures.Freezes)
        {
            Row(table, $"SIGSTOP {component}", count);
        }

        Row(table, "bad messages", figures.BadMessages);
        Row(table, "locked rows", figures.LockedRows);
        foreach (var (what, count) in figures.Edits.OrderBy(edit => edit.Key, StringComparer.Ordinal))
        {
            Row(table, what, count);
        }

        table.AddEmptyRow();
        Row(table, "live reconciliations", figures.Comparisons);
        table.AddRow("storm", string.Create(CultureInfo.InvariantCulture, $"{figures.Elapsed.TotalSeconds:F0} s"));
        table.AddRow("seed", figures.Options.Seed.ToString(CultureInfo.InvariantCulture));
        if (figures.Options.Sabotage is { } bug)
        {
            table.AddRow("planted bug", bug);
        }

        foreach (var version in figures.Versions.Split(", "))
        {
            var at = version.IndexOf(' ', StringComparison.Ordinal);
            table.AddRow(version[..at], Markup.Escape(version[(at + 1)..]));
        }

        console.Write(table);
        console.MarkupLine(
            figures.Clean ? "[green]Nothing oversold, nothing lost, nothing doubled, nothing leaked.[/]"
            : figures.Verdict.Clean ? "[yellow]The books agree, but not everything was killed as often as planned.[/]"
            : "[red]The books do not agree with what the buyers were told.[/]");
    }

    private static void AddClicks(Table table, ChaosFigures figures)
    {
        var clicks = figures.Clicks;
        Row(table, "clicks", clicks.Count);
        Row(table, "requests, repeats included", clicks.Sum(click => (long)click.RequestCount));
        Row(table, "queued", clicks.Count(click => click.Queued));
        foreach (var reason in clicks.Where(click => !click.Queued && click.Refusal is not null).GroupBy(click => click.Refusal!)
            .OrderByDescending(g => g.Count()))
        {
            Row(table, $"refused: {reason.Key}", reason.Count());
        }

        Row(table, "no answer", clicks.Count(click => click.Open));
        Row(table, "SUCCESS", clicks.Count(click => click.Final == FinalState.Success));
        Row(table, "FAILED", clicks.Count(click => click.Final == FinalState.Failed));
        Row(table, "orders in MySQL", figures.Books.Skus.Sum(sku => (long)sku.Lines.Count));
        Row(table, "units put on sale", figures.Books.Skus.Sum(sku => (long)sku.Sale.Units));
        Row(table, "units sold", figures.Books.Skus.Sum(sku => sku.LiveUnits));
        Row(table, "stock left in MySQL", figures.Books.Skus.Sum(sku => sku.MySqlStock));
        Row(table, "stock left in Redis", figures.Books.Skus.Sum(sku => sku.RedisStock ?? 0));
    }

    private static void AddVerdict(Table table, ChaosVerdict verdict)
    {
        Judged(table, "oversold", verdict.Oversold);
        Judged(table, "lost", verdict.Lost);
        Judged(table, "doubled", verdict.Doubled);
        Judged(table, "told the opposite", verdict.Contradicted);
        Judged(table, "units leaked", verdict.Leaked);
        Judged(table, "reservations left open", verdict.Unsettled);
        Judged(table, "messages left in the queues", verdict.LeftInQueue);
        Judged(table, "wrong or missing dead letters", verdict.DeadLetters);
        Judged(table, "false alarms of the reconciliation", verdict.FalseAlarms);
    }

    private static void Row(Table table, string what, long count) =>
        table.AddRow(Markup.Escape(what), count.ToString("N0", CultureInfo.InvariantCulture));

    private static void Judged(Table table, string what, long count) =>
        table.AddRow($"[bold]{what}[/]", $"[bold {(count == 0 ? "green" : "red")}]{count.ToString("N0", CultureInfo.InvariantCulture)}[/]");
}
