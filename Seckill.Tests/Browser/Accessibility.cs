using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Seckill.Tests.Browser;

internal static class Accessibility
{
    /// <summary>One passing element per rule is enough: describing all of them costs most of axe's time.</summary>
    private static readonly AxeRunOptions Options = new() { ResultTypes = [ResultType.Violations] };

    /// <summary>Fails with every serious fault that axe finds on a page.</summary>
    public static async Task ExpectAsync(IPage page)
    {
        var found = await page.RunAxe(Options);
        Assert.NotEmpty(found.Passes);
        Assert.Equal(
            [],
            found.Violations.Where(fault => fault.Impact is "serious" or "critical")
                .Select(fault => $"{page.Url} {fault.Id}: {fault.Nodes[0].Html}"));
    }
}
