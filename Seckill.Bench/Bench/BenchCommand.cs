using System.CommandLine;
using Seckill.Bench.InProcess;
using Spectre.Console;

namespace Seckill.Bench.Bench;

/// <summary>The command line of <c>bench</c>.</summary>
public static class BenchCommand
{
    private const int TableWidth = 140;

    private static readonly string[] StageNames =
        ["route", "refuse", "spread", "database", "open", "pair", "headline", "hops", "workers", "scale", "depth", "soak"];

    /// <summary>Long stages, run only on demand.</summary>
    private static readonly string[] ExtraStages = ["hops", "workers", "scale", "depth", "soak"];

    private static readonly Option<bool> Quick =
        new("--quick") { Description = "One short round of every stage but the long ones, in a few minutes." };
    private static readonly Option<int> Rounds = NumberOption.Create("--rounds", "Alternating rounds; the table shows medians.", 3, 100);
    private static readonly Option<int> Seconds = NumberOption.Create("--seconds", "Length of one measurement.", 6, 60);
    private static readonly Option<int> Connections = NumberOption.Create(
        "--connections", "Keep-alive connections of the load.", 512, 2_000);
    private static readonly Option<int> Units = NumberOption.Create(
        "--units", "Units of the headline sale; ten times as many buyers.", 10_000, 100_000);
    private static readonly Option<int> SoakMinutes = NumberOption.Create("--soak-minutes", "Length of the soak.", 10, 600);
    private static readonly Option<int> Backlog = NumberOption.Create(
        "--backlog", "Messages to queue up in the stage 'depth'.", 1_000_000, 10_000_000);

    private static readonly Option<string[]> Only = new("--only")
    {
        Description = $"Stages: {string.Join(", ", StageNames)}. All but {string.Join(", ", ExtraStages)} if not given. 'open' needs "
            + $"'route' and 'database', 'hops' needs 'database', 'soak' needs 'route'.",
        AllowMultipleArgumentsPerToken = true,
    };

    private static readonly Option<string> Out = new("--out")
    {
        Description = "Folder for bench.json, the pictures and the log.",
        DefaultValueFactory = _ => Path.Combine(Repository.Root, ".seckill", "bench"),
    };

    public static Command Create()
    {
        Only.AcceptOnlyFromAmong(StageNames);
        var command = new Command(
            "bench", "Measures every stage beside the textbook design and the limits of its parts, on private servers.")
        {
            Quick, Rounds, Seconds, Connections, Units, SoakMinutes, Backlog, Only, Out, ProcessCommand.Create(Out),
        };
        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>Exit codes: 0 measured; 1 the figures would be meaningless; 2 the system could not be started.</summary>
    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var quick = parsed.GetValue(Quick);
        var units = quick ? 2_000 : parsed.GetValue(Units);
        var stages = parsed.GetValue(Only) is { Length: > 0 } only ? only : [.. StageNames.Except(ExtraStages)];
        var options = new BenchOptions(
            quick ? 1 : parsed.GetValue(Rounds), TimeSpan.FromSeconds(quick ? 3 : parsed.GetValue(Seconds)), parsed.GetValue(Connections),
            units * 10, units, stages, parsed.GetValue(SoakMinutes), parsed.GetValue(Backlog), Path.GetFullPath(parsed.GetValue(Out)!));
        Directory.CreateDirectory(options.Folder);
        await using var log = new StreamWriter(Path.Combine(options.Folder, "bench.log"));
        try
        {
            return await MeasureAsync(options, log, AnsiConsole.Console, cancellationToken);
        }
        catch (BenchException exception)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return 1;
        }
        catch (LocalServerException exception)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return 2;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("Stopped.");
            return 2;
        }
    }

    private static async Task<int> MeasureAsync(
        BenchOptions options, TextWriter log, IAnsiConsole console, CancellationToken cancellationToken)
    {
        console.WriteLine("starting servers and applications");
        await using var system = await BenchSystem.StartAsync(log, cancellationToken);
        console.WriteLine(system.Versions);
        var recorder = new Recorder();
        var contest = new Contest(system, new BenchSales(system), options, recorder);
        IReadOnlyDictionary<string, IReadOnlyList<Moment>>? moments = null;
        IReadOnlyList<(string Hop, int[] Counts)> hops = [];
        var steps = StepsOf(contest, found => moments = found, found => hops = found);
        await BenchProgress.ShowAsync(console, (steps.Count * options.Rounds) + 1, async finished =>
        {
            await WarmUpAsync(contest, cancellationToken);
            finished("warmed up");
            for (var round = 1; round <= options.Rounds; round++)
            {
                foreach (var (name, step) in steps)
                {
                    await step(cancellationToken);
                    finished($"round {round}: {name}");
                }
            }

            if (options.Stages.Contains("soak"))
            {
                await OtherStages.SoakAsync(contest, console.WriteLine, cancellationToken);
            }
        });

        // A file or a pipe has no width, and a wrapped table cannot be read.
        console.Profile.Width = Math.Max(console.Profile.Width, TableWidth);
        console.Write(BenchReport.Table(recorder));
        console.Write(BenchReport.Targets(recorder));
        if (hops.Count > 0)
        {
            console.Write(BenchReport.Hops(hops));
        }

        await BenchReport.WriteJsonAsync(Path.Combine(options.Folder, "bench.json"), recorder, options, system.Versions, cancellationToken);
        foreach (var (name, found) in moments ?? new Dictionary<string, IReadOnlyList<Moment>>())
        {
            var title = $"{options.Units * 10:N0} buyers for {options.Units:N0} units: {name}";
            await File.WriteAllTextAsync(
                Path.Combine(options.Folder, $"peak-{name.ToLowerInvariant()}.svg"), PeakPicture.Draw(found, title), cancellationToken);
        }

        console.WriteLine($"bench.json, pictures and log are in {options.Folder}");
        return 0;
    }

    private static List<(string Name, Func<CancellationToken, Task> RunAsync)> StepsOf(
        Contest contest, Action<IReadOnlyDictionary<string, IReadOnlyList<Moment>>> found,
        Action<IReadOnlyList<(string Hop, int[] Counts)>> foundHops)
    {
        (string, Func<CancellationToken, Task>)[] all =
        [
            ("route", async token =>
            {
                await RouteStages.AcceptAndWriteAsync(contest, token);
                await RouteStages.LimitsAsync(contest, token);
            }),
            ("refuse", token => RouteStages.RefuseAsync(contest, token)),
            ("spread", token => RouteStages.SpreadAsync(contest, token)),
            ("database", token => OtherStages.DatabaseAsync(contest, token)),
            ("open", token => OtherStages.OpenLoopAsync(contest, token)),
            ("pair", token => RouteStages.PairAsync(contest, token)),
            ("workers", token => ScaleStages.WorkersAsync(contest, token)),
            ("scale", token => ScaleStages.SkusAsync(contest, token)),
            ("depth", token => ScaleStages.DepthAsync(contest, token)),
            ("hops", async token => foundHops(await HopStage.RunAsync(contest, token))),
            ("headline", async token => found(await HeadlineStage.RunAsync(contest, token))),
        ];
        return [.. all.Where(step => contest.Options.Stages.Contains(step.Item1))];
    }

    /// <summary>Warm-up: all code is compiled and all connections are open before the first figure counts.</summary>
    private static async Task WarmUpAsync(Contest contest, CancellationToken cancellationToken)
    {
        var warm = contest.WarmUp;
        await RouteStages.RefuseAsync(warm, cancellationToken);
        await RouteStages.AcceptAndWriteAsync(warm, cancellationToken);
        if (contest.Options.Stages.Contains("database"))
        {
            await OtherStages.DatabaseAsync(warm, cancellationToken);
        }
    }
}
