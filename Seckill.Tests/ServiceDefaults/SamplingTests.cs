using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenTelemetry;
using OpenTelemetry.Trace;

namespace Seckill.Tests.ServiceDefaults;

/// <summary>A share of the traces is kept completely; of the others only failed spans are kept.</summary>
[Trait("Category", "Quick")]
public sealed class SamplingTests
{
    // A source that no other test of this process listens to.
    private static readonly ActivitySource Source = new("sampled by share");

    private readonly ConcurrentQueue<Activity> _exported = new();

    [Fact]
    public async Task Of_a_trace_that_is_not_kept_only_what_failed_is_exported()
    {
        using var host = await StartAsync(("Tracing:KeptShare", "0"));
        End(Source.StartActivity("well", ActivityKind.Server), ActivityStatusCode.Ok);
        using (var failed = Source.StartActivity("failed", ActivityKind.Server)!)
        {
            Assert.False(failed.Recorded);
            Assert.Null(Source.StartActivity("below it"));
            failed.SetStatus(ActivityStatusCode.Error, "no stock");
        }

        var elsewhere = new ActivityContext(
            ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom(), ActivityTraceFlags.None, isRemote: true);
        End(Source.StartActivity("processed", ActivityKind.Consumer, elsewhere), ActivityStatusCode.Unset);
        End(Source.StartActivity("refused", ActivityKind.Consumer, elsewhere), ActivityStatusCode.Error);
        Assert.Equal(["failed", "refused"], Exported());
        Assert.Equal(elsewhere.TraceId, _exported.Last(span => span.OperationName == "refused").TraceId);
    }

    [Fact]
    public async Task A_trace_that_is_kept_is_kept_whole_wherever_it_began()
    {
        using var host = await StartAsync(("Tracing:KeptShare", "0"));
        var kept = new ActivityContext(
            ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded, isRemote: true);
        using (Source.StartActivity("first", ActivityKind.Server, kept))
        {
            End(Source.StartActivity("second"), ActivityStatusCode.Unset);
        }

        Assert.Equal(["second", "first"], Exported());
    }

    [Fact]
    public async Task All_are_kept_unless_something_else_is_configured()
    {
        using var host = await StartAsync();
        End(Source.StartActivity("well"), ActivityStatusCode.Ok);
        Assert.Equal(["well"], Exported());
    }

    [Fact]
    public async Task Without_a_receiver_nothing_is_recorded_and_trace_ids_are_passed_on()
    {
        using var host = await StartAsync(("OTEL_EXPORTER_OTLP_ENDPOINT", ""));
        using (var request = Source.StartActivity("request", ActivityKind.Server)!)
        {
            Assert.False(request.IsAllDataRequested);
            Assert.NotEqual(default, request.TraceId);
            Assert.Null(Source.StartActivity("below it"));
            using var elsewhere = Source.StartActivity(
                "processed", ActivityKind.Consumer, new ActivityContext(request.TraceId, request.SpanId, default, isRemote: true));
            Assert.Equal(request.TraceId, elsewhere!.TraceId);
            elsewhere.SetStatus(ActivityStatusCode.Error);
        }

        Assert.Empty(_exported);
    }

    [Theory]
    [InlineData("", null, false)]
    [InlineData("http://127.0.0.1:1", null, true)]
    [InlineData("", "true", true)]
    public async Task Log_scopes_are_made_only_for_a_receiver_or_on_demand(string endpoint, string? configured, bool made)
    {
        using var host = await StartAsync(("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("Logging:CaptureScopes", configured));
        Assert.Equal(made, host.Services.GetRequiredService<IOptions<LoggerFilterOptions>>().Value.CaptureScopes);
    }

    [Fact]
    public async Task About_the_share_is_kept()
    {
        using var host = await StartAsync(("Tracing:KeptShare", "0.25"));
        for (var i = 0; i < 4_000; i++)
        {
            End(Source.StartActivity("one"), ActivityStatusCode.Ok);
        }

        // Binomial, standard deviation 27: eight of them on each side.
        Assert.InRange(_exported.Count, 780, 1_220);
    }

    [Fact]
    public async Task OpenTelemetrys_own_variable_comes_first()
    {
        using var host = await StartAsync(("Tracing:KeptShare", "1"), ("OTEL_TRACES_SAMPLER", "always_off"));
        End(Source.StartActivity("failed"), ActivityStatusCode.Error);
        Assert.Empty(_exported);
    }

    [Fact]
    public async Task A_share_out_of_range_stops_the_start() =>
        await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync(("Tracing:KeptShare", "1.5")));

    private IEnumerable<string> Exported() => _exported.Select(span => span.OperationName);

    private static void End(Activity? span, ActivityStatusCode status)
    {
        using (span)
        {
            span?.SetStatus(status);
        }
    }

    private async Task<IHost> StartAsync(params (string Name, string? Value)[] settings)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        // Nobody listens there; the spans are collected in this process.
        builder.Configuration.AddInMemoryCollection([KeyValuePair.Create("OTEL_EXPORTER_OTLP_ENDPOINT", (string?)"http://127.0.0.1:1")]);
        builder.Configuration.AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Name, setting.Value)));
        builder.AddServiceDefaults();
        builder.Services.ConfigureOpenTelemetryTracerProvider(tracing => tracing
            .AddSource(Source.Name)
            .AddProcessor(new SimpleActivityExportProcessor(new Collector(_exported))));
        var host = builder.Build();
        try
        {
            await host.StartAsync(TestContext.Current.CancellationToken);
            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    private sealed class Collector(ConcurrentQueue<Activity> exported) : BaseExporter<Activity>
    {
        public override ExportResult Export(in Batch<Activity> batch)
        {
            foreach (var activity in batch)
            {
                // Other tests of this process make HTTP requests and orders, whose spans arrive here, too.
                if (activity.Source == Source)
                {
                    exported.Enqueue(activity);
                }
            }

            return ExportResult.Success;
        }
    }
}
