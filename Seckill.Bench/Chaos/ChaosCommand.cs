using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Seckill.Ordering.Faults;
using Spectre.Console;

namespace Seckill.Bench.Chaos;

/// <summary>The command line of <c>chaos</c>.</summary>
public static class ChaosCommand
{
    private const double MinutesMin = 0.1;
    private const double MinutesMax = 24 * 60;
    private const int RateMax = 100_000;
    private const int ConcurrencyMax = 1_000;

    private static readonly Option<double> Minutes = new("--minutes")
    {
        Description = "Length of the storm; each component is killed ten times in three minutes.",
        DefaultValueFactory = _ => 3,
    };

    private static readonly Option<int> Seed = new("--seed")
    {
        Description = "Decides what is killed when; random if not given.",
        DefaultValueFactory = _ => Random.Shared.Next(1, 1_000_000),
    };

    private static readonly Option<int> Rate = new("--buyers-per-second")
    {
        Description = "Maximum number of new buyers per second; 0 for as many as the connections allow.",
        DefaultValueFactory = _ => 200,
    };

    private static readonly Option<int> Concurrency = new("--concurrency")
    {
        Description = "Concurrent buyers.",
        DefaultValueFactory = _ => 64,
    };

    private static readonly Option<string?> Bug = new("--sabotage")
    {
        Description = $"Plants a bug (Debug builds only), which the run must find: {string.Join(", ", Sabotage.Names)}.",
    };

    public static Command Create()
    {
        var command = new Command(
            "chaos", "Sells on a system of its own while everything in it is killed at random; then audits all three servers.")
        {
            Minutes, Seed, Rate, Concurrency, Bug,
        };
        Bound(Minutes, MinutesMin, MinutesMax);
        Bound(Rate, 0, RateMax);
        Bound(Concurrency, 1, ConcurrencyMax);
        Bug.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var name }] && (!Sabotage.Names.Contains(name) || !Sabotage.Possible))
            {
                result.AddError(Sabotage.Possible
                    ? $"There is no bug '{name}'; choose one of {string.Join(", ", Sabotage.Names)}."
                    : "Bugs can be planted in Debug builds only.");
            }
        });
        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>Exit codes: 0 nothing oversold, lost, doubled or leaked; 1 something was; 2 the run could not be carried out.</summary>
    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var seconds = (int)(parsed.GetValue(Minutes) * 60);
        var options = PlantedBug.Prepare(new ChaosOptions(
            seconds, parsed.GetValue(Seed), parsed.GetValue(Rate), parsed.GetValue(Concurrency), ChaosOptions.KillsFor(seconds),
            parsed.GetValue(Bug)));
        using var log = new ChaosLog(Path.Combine(
            Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"seckill-chaos-{options.Seed}-{Environment.ProcessId}.log")));
        try
        {
            var console = AnsiConsole.Console;
            console.WriteLine($"seed {options.Seed}; the processes' output goes to {log.File}");
            var figures = await ShowAsync(console, say => new ChaosRun(options, log, say).ExecuteAsync(cancellationToken));
            ChaosReport.Print(console, figures);
            return figures.Clean ? 0 : 1;
        }
        catch (Exception exception) when (exception is LocalServerException or TimeoutException)
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

    /// <summary>One updating line on a terminal, plain lines elsewhere.</summary>
    private static async Task<T> ShowAsync<T>(IAnsiConsole console, Func<Action<string>, Task<T>> work) =>
        console.Profile.Capabilities.Interactive && !Console.IsOutputRedirected
            ? await console.Status().StartAsync("starting", status => work(line => status.Status(Markup.Escape(line))))
            : await work(console.WriteLine);

    private static void Bound<T>(Option<T> option, double min, double max) => option.Validators.Add((OptionResult result) =>
    {
        if (result.Tokens.Count == 1
            && double.TryParse(result.Tokens[0].Value, CultureInfo.InvariantCulture, out var given) && (given < min || given > max))
        {
            result.AddError(string.Create(CultureInfo.InvariantCulture, $"{option.Name} must be {min} to {max}, not {given}."));
        }
    });
}
