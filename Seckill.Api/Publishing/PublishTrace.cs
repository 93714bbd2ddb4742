using System.Diagnostics;
using Seckill.Ordering.Telemetry;

namespace Seckill.Api.Publishing;

/// <summary>
/// The spans of one message: "publish order" for each order, in the order's own trace, and for a message of many also "publish batch",
/// which links to them and is the parent of the client's own span.
/// </summary>
internal readonly struct PublishTrace : IDisposable
{
    private static readonly ActivitySource Source = new("Seckill.Api");

    /// <summary>Maximum number of links of one span; OpenTelemetry drops any more by default.</summary>
    private const int LinkCountMax = 128;

    private readonly Publication[] _orders;
    private readonly Activity? _batch;

    private PublishTrace(Publication[] orders, Activity? batch)
    {
        _orders = orders;
        _batch = batch;
    }

    /// <summary>Starts the spans and makes the client span's parent current.</summary>
    public static PublishTrace Start(Publication[] orders)
    {
        Activity.Current = null;
        if (!Source.HasListeners())
        {
            return new PublishTrace(orders, null);
        }

        foreach (var order in orders)
        {
            // Uses the click's context, not the current one: this loop has no request of its own.
            order.Span = Source.StartActivity("publish order", ActivityKind.Internal, order.Trace);
            Activity.Current = null;
        }

        if (orders.Length == 1)
        {
            Activity.Current = orders[0].Span ?? OrderingTelemetry.Continue(orders[0].Trace);
            return new PublishTrace(orders, null);
        }

        var links = orders.Where(order => order.Span is not null).Take(LinkCountMax).Select(order => new ActivityLink(order.Span!.Context));
        var batch = Source.StartActivity("publish batch", ActivityKind.Internal, default(ActivityContext), links: links);
        batch?.SetTag("messaging.batch.message_count", orders.Length);
        return new PublishTrace(orders, batch);
    }

    public void Fail(string reason)
    {
        _batch?.SetStatus(ActivityStatusCode.Error, reason);
        foreach (var order in _orders)
        {
            order.Span?.SetStatus(ActivityStatusCode.Error, reason);
        }
    }

    public void Dispose()
    {
        foreach (var order in _orders)
        {
            order.Span?.Dispose();
        }

        _batch?.Dispose();
    }
}
