using System.Net;
using Seckill.Tests.EndToEnd;

namespace Seckill.Tests.Operations;

/// <summary>The number of waiting lines and their lifetime.</summary>
[Collection(OperationsTests.Name)]
public sealed class PushLimitTests(OperationsFixture servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_buyer_and_an_instance_have_so_many_lines_and_a_closed_one_is_free_again()
    {
        await using var api = servers.StartApi(("Push:ListenersPerUserMax", "2"), ("Push:ListenersMax", "3"), ("Push:KeepAliveMs", "100"));
        await using var first = await OpenAsync(api, 1);
        var second = await OpenAsync(api, 1);
        await using (second)
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, await RefusalAsync(api, 1));
            await using var other = await OpenAsync(api, 2);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, await RefusalAsync(api, 3));
        }

        await Deadline.UntilAsync(() => RefusalAsync(api, 1), refusal => refusal is null, Cancelled);
    }

    [Fact]
    public async Task A_quiet_line_shows_life_and_ends_when_its_time_is_over()
    {
        await using var api = servers.StartApi(("Push:KeepAliveMs", "100"), ("Push:ConnectionSecondsMax", "3"));
        await using var line = await OpenAsync(api, 1);
        Assert.Equal("alive", (await line.NextAsync()).EventType);
        await line.EndAsync();
    }

    private static Task<EventLine> OpenAsync(ApiHost api, long userId) => EventLine.OpenAsync(api.Client, api.Buyer(userId), Cancelled);

    private static async Task<HttpStatusCode?> RefusalAsync(ApiHost api, long userId)
    {
        try
        {
            await using var line = await OpenAsync(api, userId);
            return null;
        }
        catch (HttpRequestException refusal)
        {
            return refusal.StatusCode;
        }
    }
}
