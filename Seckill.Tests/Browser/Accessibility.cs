using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Seckill.Tests.Browser;

internal static class Accessibility
{
    /// <summary>An element that fades in or out, such as a message that goes by itself, has less contrast for a moment.</summary>
    private const int AtRestTimeoutMs = 20_000;

    /// <summary>One passing element per rule is enough: describing all of them costs most of axe's time.</summary>
    private static readonly AxeRunOptions Options = new() { ResultTypes = [ResultType.Violations] };

    /// <summary>Fails with every serious fault that axe finds on a page at rest.</summary>
    public static Task ExpectAsync(IPage page) => Deadline.UntilAsync(
        () => FaultsAsync(page), faults => faults.Length == 0, TestContext.Current.CancellationToken, AtRestTimeoutMs);

    private static async Task<string> FaultsAsync(IPage page)
    {
        var found = await page.RunAxe(Options);
        Assert.NotEmpty(found.Passes);
        return string.Join(
            Environment.NewLine,
            found.Violations.Where(fault => fault.Impact is "serious" or "critical")
                .Select(fault => $"{page.Url} {fault.Id}: {fault.Nodes[0].Html}"));
    }
}
