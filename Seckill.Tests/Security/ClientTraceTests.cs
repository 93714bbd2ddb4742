using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OpenTelemetry.Context.Propagation;
using Seckill.ServiceDefaults.Tracing;
using Seckill.Tests.Operations;

namespace Seckill.Tests.Security;

/// <summary>A client cannot choose an order's trace id, nor how much of the trace is kept.</summary>
[Collection(OperationsTests.Name)]
public sealed class ClientTraceTests(OperationsFixture servers)
{
    [Fact]
    public async Task An_orders_trace_is_its_own_whatever_the_client_sends()
    {
        await using var api = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(api);
        var chosen = ActivityTraceId.CreateRandom().ToHexString();
        var traces = new List<string>();
        for (var buyer = 981; buyer <= 982; buyer++)
        {
            var order = await api.BuyAsync(
                buyer, skuId, null, ("traceparent", $"00-{chosen}-{ActivitySpanId.CreateRandom()}-01"), ("tracestate", "shop=chosen"),
                ("baggage", "shop=chosen"));
            var record = (string)(await servers.Redis.HashGetAsync($"{{stock:sku:{skuId}}}:orders", order.Text("order_id")))!;
            traces.Add(record.Split('|')[6].Split('-')[1]);
        }

        Assert.DoesNotContain(chosen, traces);
        Assert.NotEqual(traces[0], traces[1]);
    }

    [Theory]
    [InlineData("10.1.2.3", true)]
    [InlineData("::ffff:10.1.2.3", true)]
    [InlineData("192.0.2.7", true)]
    [InlineData("192.0.2.8", false)]
    [InlineData("127.0.0.1", false)]
    [InlineData("::1", false)]
    [InlineData(null, false)]
    public void A_known_callers_trace_is_continued(string? address, bool known)
    {
        var options = new TracingOptions { KnownCallers = { "10.0.0.0/8", "192.0.2.7" } };
        var http = new DefaultHttpContext
        {
            RequestServices = new ServiceCollection().AddSingleton(new KnownCallers(Options.Create(options))).BuildServiceProvider(),
        };
        http.Connection.RemoteIpAddress = address is null ? null : IPAddress.Parse(address);
        var trace = ActivityTraceId.CreateRandom();
        http.Request.Headers["traceparent"] = $"00-{trace}-{ActivitySpanId.CreateRandom()}-01";

        var taken = KnownCallersTrace.Instance.Extract(
            default(PropagationContext), http.Request, (request, name) => request.Headers[name]);

        Assert.Equal(known ? trace : default, taken.ActivityContext.TraceId);
    }
}
