using Spectre.Console;

namespace Seckill.Bench.Bench;

/// <summary>A bar on a terminal; elsewhere a line for each finished step.</summary>
internal static class BenchProgress
{
    public static async Task ShowAsync(IAnsiConsole console, int stepCount, Func<Action<string>, Task> work)
    {
        if (!console.Profile.Capabilities.Interactive || Console.IsOutputRedirected)
        {
            await work(console.WriteLine);
            return;
        }

        await console.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async context =>
            {
                var task = context.AddTask("warming up", maxValue: stepCount);
                await work(done =>
                {
                    task.Description = done;
                    task.Increment(1);
                });
            });
    }
}
