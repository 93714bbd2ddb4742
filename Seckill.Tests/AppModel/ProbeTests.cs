using Aspire.Hosting.ApplicationModel;

namespace Seckill.Tests.AppModel;

// The probes are marked as experimental.
#pragma warning disable ASPIREPROBES001

public sealed class ProbeTests : IDisposable
{
    /// <summary>The maximum that Container Apps accepts.</summary>
    private const int FailuresMax = 10;

    /// <summary>Maximum time of a health check: ours gives up after three seconds.</summary>
    private const int CheckSecondsMax = 3;

    private readonly DirectoryInfo _output = Directory.CreateTempSubdirectory("seckill-probes-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("api")]
    [InlineData("console")]
    [InlineData("order-worker")]
    public async Task A_service_that_waits_for_a_server_is_not_ready_but_alive(string service)
    {
        await using var appHost = await BuiltAppHost.ForPublishAsync(_output.FullName, Token);

        var probes = appHost[service].Annotations.OfType<EndpointProbeAnnotation>().ToDictionary(probe => probe.Type);

        Assert.Equal("/health", probes[ProbeType.Readiness].Path);
        Assert.Equal("/alive", probes[ProbeType.Liveness].Path);
        Assert.Equal("/started", probes[ProbeType.Startup].Path);
        Assert.All(probes.Values, probe =>
        {
            Assert.Equal("http", probe.EndpointReference.EndpointName);
            Assert.True(probe.TimeoutSeconds > CheckSecondsMax, $"{probe.Type} gives up after {probe.TimeoutSeconds} s");
            Assert.InRange(probe.FailureThreshold, 1, FailuresMax);
            Assert.InRange(probe.InitialDelaySeconds, 1, 60);
        });
    }

    public void Dispose() => _output.Delete(recursive: true);
}
