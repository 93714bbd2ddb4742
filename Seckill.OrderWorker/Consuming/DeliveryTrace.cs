using System.Diagnostics;
using RabbitMQ.Client;

namespace Seckill.OrderWorker.Consuming;

/// <summary>Finds the trace of a delivery.</summary>
internal static class DeliveryTrace
{
    /// <summary>The client's own deliver span if it belongs to the click's trace, else the trace in the headers.</summary>
    public static ActivityContext Of(IReadOnlyBasicProperties properties)
    {
        var sent = RabbitMQActivitySource.ContextExtractor(properties);
        return Activity.Current is { } deliver && (sent == default || deliver.TraceId == sent.TraceId) ? deliver.Context : sent;
    }
}
