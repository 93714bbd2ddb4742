using Spectre.Console;

namespace Seckill.Bench.Demo;

/// <summary>Progress bars on a terminal; nothing elsewhere (a file, a CI log).</summary>
public static class DemoProgress
{
    /// <summary>
    /// Runs <paramref name="work"/>, giving it callbacks for an answered click, for the number of queued orders, and for a settled one.
    /// </summary>
    public static async Task<T> ShowAsync<T>(IAnsiConsole console, int buyers, Func<Action, Action<int>, Action, Task<T>> work)
    {
        if (!console.Profile.Capabilities.Interactive || Console.IsOutputRedirected)
        {
            return await work(() => { }, _ => { }, () => { });
        }

        return await console.Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async context =>
            {
                var clicks = context.AddTask("clicks answered", maxValue: buyers);
                var settled = context.AddTask("orders settled", autoStart: false);
                return await work(
                    () => clicks.Increment(1),
                    queued =>
                    {
                        settled.MaxValue = Math.Max(1, queued);
                        settled.StartTask();
                    },
                    () => settled.Increment(1));
            });
    }
}
