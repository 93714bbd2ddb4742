using Seckill.Bench.Hops;

namespace Seckill.Tests.EndToEnd;

[CollectionDefinition(nameof(RunningSystem))]
public sealed class RunningSystemDefinition : ICollectionFixture<RunningSystem>;

/// <summary>One system for all tests that leave it intact: a worker, two Api instances, and a receiver of their traces.</summary>
public sealed class RunningSystem(SharedServers servers) : IAsyncLifetime
{
    public LocalSystem System { get; private set; } = null!;

    public OtlpReceiver Traces { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Traces = await OtlpReceiver.StartAsync(CancellationToken.None);
        var options = SystemUnderTest.Options(
            ("OTEL_EXPORTER_OTLP_ENDPOINT", Traces.Endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"),
            ("Catalogue__RefreshEveryMs", "500"));
        System = await servers.StartAsync(SharedServers.EndToEnd, options, CancellationToken.None)
            .WithApplicationsAsync(CancellationToken.None, patient: true);
        await System.StartApiAsync(CancellationToken.None, settings: System.Patience());
    }

    public async ValueTask DisposeAsync()
    {
        await System.DisposeAsync();
        await Traces.DisposeAsync();
    }
}
