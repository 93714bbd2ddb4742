using Microsoft.Extensions.Diagnostics.HealthChecks;
using Seckill.Api.Publishing;

namespace Seckill.Tests.Operations;

/// <summary>Health says when no order can be published, and only then.</summary>
[Collection(OperationsTests.Name)]
public sealed class PublishingHealthTests(OperationsFixture servers)
{
    private readonly SetClock _clock = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Failures_that_go_on_degrade_it_until_the_next_confirm_or_until_nothing_is_published_any_more()
    {
        var health = new PublishingHealth(_clock);
        Assert.Null(await ReasonAsync(health));

        health.NoteFailed("one publish timed out");
        _clock.Move(TimeSpan.FromSeconds(7));
        Assert.Null(await ReasonAsync(health));

        health.NoteFailed("access refused");
        Assert.Equal("no order can be published: access refused", await ReasonAsync(health));

        health.NoteConfirmed();
        Assert.Null(await ReasonAsync(health));

        health.NoteFailed("timed out");
        _clock.Move(TimeSpan.FromSeconds(7));
        health.NoteFailed("timed out");
        Assert.NotNull(await ReasonAsync(health));
        _clock.Move(TimeSpan.FromMinutes(1));
        Assert.Null(await ReasonAsync(health));
    }

    [Fact]
    public async Task Without_a_connection_it_is_degraded_and_with_one_it_is_healthy_also_when_nobody_buys()
    {
        await using var address = new TcpSwitch(servers.RabbitMq.Port);
        await using var api = servers.StartApi(
            ("ConnectionStrings:rabbitmq", new UriBuilder(servers.RabbitMq) { Port = address.Port }.Uri.AbsoluteUri));
        var publisher = api.Get<OrderPublisher>();
        await Deadline.UntilAsync(() => Task.FromResult(publisher.Connected), connected => connected, Cancelled);
        var health = api.Get<PublishingHealth>();
        Assert.Null(await ReasonAsync(health));

        // Nobody listens on this port.
        address.RedirectTo(1);
        address.Cut();
        await Deadline.UntilAsync(() => ReasonAsync(health), reason => reason is not null, Cancelled);

        address.RedirectTo(servers.RabbitMq.Port);
        await Deadline.UntilAsync(() => ReasonAsync(health), reason => reason is null, Cancelled);
        var report = await api.Get<HealthCheckService>().CheckHealthAsync(Cancelled);
        Assert.Contains(PublishingHealth.Name, report.Entries.Keys);
    }

    /// <summary>Why it is degraded; null when it is healthy.</summary>
    private static async Task<string?> ReasonAsync(PublishingHealth health)
    {
        var result = await health.CheckHealthAsync(new HealthCheckContext(), Cancelled);
        Assert.Equal(result.Description is null ? HealthStatus.Healthy : HealthStatus.Degraded, result.Status);
        return result.Description;
    }
}
