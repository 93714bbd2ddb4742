using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Seckill.ServiceDefaults;
using Seckill.ServiceDefaults.HealthChecks;
using Seckill.ServiceDefaults.Tracing;

namespace Microsoft.Extensions.Hosting;

/// <summary>Common to every process: telemetry, health endpoints, resilient HTTP clients.</summary>
public static class Extensions
{
    /// <summary>Answers 200 only while the process is ready to serve.</summary>
    public const string HealthEndpointPath = "/health";

    /// <summary>Answers 200 while the process runs, regardless of the servers behind it.</summary>
    public const string AlivenessEndpointPath = "/alive";

    /// <summary>Answers 200 once every part of the process has started, regardless of the servers behind it.</summary>
    public const string StartedEndpointPath = "/started";

    public static TBuilder AddServiceDefaults<TBuilder>(this TBuilder builder) where TBuilder : IHostApplicationBuilder
    {
        builder.AddCheckoutKeys();
        builder.Services.AllowOwnAddresses();
        builder.ConfigureOpenTelemetry();
        builder.AddDefaultHealthChecks();

        builder.Services.AddServiceDiscovery();
        builder.Services.ConfigureHttpClientDefaults(http =>
        {
            http.AddStandardResilienceHandler();
            http.AddServiceDiscovery();
        });

        return builder;
    }

    /// <summary>
    /// Logs, metrics and traces. OTEL_TRACES_SAMPLER decides if it is set; otherwise a configured share of the traces is kept, plus the
    /// failures among the others (see <see cref="TracingOptions"/>). Without OTEL_EXPORTER_OTLP_ENDPOINT nobody would receive a span, so
    /// none is recorded; trace ids are made and passed on all the same. Each AddX of a server adds the sources and meters of its client.
    /// </summary>
    public static TBuilder ConfigureOpenTelemetry<TBuilder>(this TBuilder builder) where TBuilder : IHostApplicationBuilder
    {
        var exported = !string.IsNullOrWhiteSpace(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]);
        if (!exported && builder.Configuration["Logging:CaptureScopes"] is null)
        {
            // The console does not show them, and each request would make one.
            builder.Services.Configure<LoggerFilterOptions>(options => options.CaptureScopes = false);
        }

        builder.Logging.AddOpenTelemetry(logging =>
        {
            logging.IncludeFormattedMessage = true;
            logging.IncludeScopes = true;
        });

        builder.Services.AddOpenTelemetry()
            .WithMetrics(metrics => metrics
                .AddMeter("Seckill")
                .AddAspNetCoreInstrumentation()
                .AddHttpClientInstrumentation()
                .AddRuntimeInstrumentation())
            .WithTracing(tracing => tracing
                .AddSource("Seckill.*")
                .AddAspNetCoreInstrumentation(options => options.Filter = context => !context.Request.IsProbe())
                .AddHttpClientInstrumentation()
                .AddProcessor(new ParentlessSpanFilter("MySqlConnector"))
                .AddProcessor(new FailedSpanKeeper()));
        builder.Services.AddSingleton<KnownCallers>();
        builder.Services.AddSingleton<DistributedContextPropagator, NoCallersTrace>();
        Sdk.SetDefaultTextMapPropagator(KnownCallersTrace.Instance);
        builder.Services.AddOptions<TracingOptions>().BindConfiguration(TracingOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        // Without an endpoint the exporter would try localhost:4317 for ever.
        if (exported)
        {
            builder.Services.AddOpenTelemetry().UseOtlpExporter();
            builder.Services.AddHostedService<TelemetryStop>();
        }

        if (string.IsNullOrWhiteSpace(builder.Configuration["OTEL_TRACES_SAMPLER"]))
        {
            builder.Services.ConfigureOpenTelemetryTracerProvider(tracing => tracing.SetSampler(services => exported
                ? new ShareOrFailedSampler(services.GetRequiredService<IOptions<TracingOptions>>().Value.KeptShare)
                : new AlwaysOffSampler()));
        }

        return builder;
    }

    public static TBuilder AddDefaultHealthChecks<TBuilder>(this TBuilder builder) where TBuilder : IHostApplicationBuilder
    {
        builder.Services.AddHealthChecks()
            .AddCheck("self", () => HealthCheckResult.Healthy(), [HealthEndpoints.LiveTag]);

        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<HealthMonitor>();
        builder.Services.Replace(ServiceDescriptor.Singleton<HealthCheckService>(services => services.GetRequiredService<HealthMonitor>()));
        builder.Services.AddHostedService(services => services.GetRequiredService<HealthMonitor>());

        return builder;
    }

    /// <summary>
    /// For processes behind a load balancer: one that was told to stop keeps serving, unready, for <c>Draining:ServeForMs</c> more.
    /// </summary>
    public static TBuilder AddConnectionDraining<TBuilder>(this TBuilder builder) where TBuilder : IHostApplicationBuilder
    {
        builder.Services.AddOptions<DrainingOptions>().BindConfiguration(DrainingOptions.Section).ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.AddHostedService<ConnectionDraining>();
        // The host's time covers the draining, too: without more of it, a long draining would leave none for the stop itself.
        builder.Services.AddOptions<HostOptions>().PostConfigure<IOptions<DrainingOptions>>((host, draining) =>
            host.ShutdownTimeout += TimeSpan.FromMilliseconds(draining.Value.ServeForMs));
        return builder;
    }

    /// <summary>
    /// Maps <c>/health</c> (ready), <c>/alive</c> and <c>/started</c> in every environment, because orchestrators probe in production, too.
    /// Outside Development they answer with one word. Call it after the exception handler and before anything that could refuse a probe.
    /// </summary>
    public static WebApplication MapDefaultEndpoints(this WebApplication app)
    {
        HealthEndpoints.Map(app, HealthEndpointPath, AlivenessEndpointPath, StartedEndpointPath);
        return app;
    }

    /// <summary>Whether the request is for one of the endpoints of <see cref="MapDefaultEndpoints"/>.</summary>
    public static bool IsProbe(this HttpRequest request) =>
        request.Path.StartsWithSegments(HealthEndpointPath) || request.Path.StartsWithSegments(AlivenessEndpointPath)
            || request.Path.StartsWithSegments(StartedEndpointPath);
}
