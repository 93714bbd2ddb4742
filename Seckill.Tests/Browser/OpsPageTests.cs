using System.Net;
using System.Text.Json;
using Polly.CircuitBreaker;
using Polly.Timeout;
using Seckill.Console.Frame;
using Seckill.Console.Ops;

namespace Seckill.Tests.Browser;

/// <summary>What a page of the console makes of a call that failed.</summary>
[Trait("Category", "Quick")]
public sealed class OpsPageTests
{
    private const string Warning = "It may have been carried out: look before you repeat it.";

    [Theory]
    [InlineData(HttpRequestError.ConnectionError, false)]
    [InlineData(HttpRequestError.NameResolutionError, false)]
    [InlineData(HttpRequestError.SecureConnectionError, false)]
    [InlineData(HttpRequestError.ResponseEnded, true)]
    [InlineData(HttpRequestError.Unknown, true)]
    public async Task An_action_that_was_sent_and_not_answered_may_have_been_carried_out(HttpRequestError error, bool sent)
    {
        using var page = new CallingPage();
        Assert.False(await page.FailToActAsync(new HttpRequestException(error, "gone.")));
        Assert.Equal(sent ? $"The Api does not answer: gone. {Warning}" : "The Api does not answer: gone.", page.Said);
    }

    [Fact]
    public async Task A_lost_answer_is_told_from_a_refusal()
    {
        Exception[] lost =
        [
            new TimeoutRejectedException("late"), new TaskCanceledException("late"), new JsonException("late"),
            new OpsRefusedException(HttpStatusCode.GatewayTimeout, "late", null),
            new OpsRefusedException(HttpStatusCode.ServiceUnavailable, "late", null),
        ];
        Exception[] refused = [new BrokenCircuitException("no"), new OpsRefusedException(HttpStatusCode.Conflict, "no", null)];
        using var page = new CallingPage();
        foreach (var failure in lost)
        {
            Assert.False(await page.FailToActAsync(failure));
            Assert.EndsWith($"late. {Warning}", page.Said, StringComparison.Ordinal);
        }

        foreach (var failure in refused)
        {
            Assert.False(await page.FailToActAsync(failure));
            Assert.EndsWith("no", page.Said, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_read_that_was_not_answered_carries_no_warning()
    {
        using var page = new CallingPage();
        Assert.False(await page.FailToReadAsync(new TimeoutRejectedException("late")));
        Assert.Equal("The Api does not answer: late", page.Said);
    }

    [Theory]
    [InlineData(100, false, 3_000)]
    [InlineData(2_000, false, 8_000)]
    [InlineData(60_000, true, 3_000)]
    public void Slow_answers_are_asked_for_less_often_and_failures_are_not(int tookMs, bool failed, int pauseMs) =>
        Assert.Equal(
            TimeSpan.FromMilliseconds(pauseMs), OpsPage.PauseAfter(TimeSpan.FromMilliseconds(tookMs), everyMs: 3_000, failed));

    private sealed class CallingPage : OpsPage
    {
        public string? Said => Fault;

        public Task<bool> FailToActAsync(Exception failure) => ActAsync(_ => Task.FromException(failure));

        public Task<bool> FailToReadAsync(Exception failure) => TryAsync(_ => Task.FromException(failure));
    }
}
