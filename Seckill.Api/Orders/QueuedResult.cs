using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace Seckill.Api.Orders;

/// <summary>
/// The answer "queued". Written in one piece with its length, past the serializer's stream: it is the sale's most wanted answer.
/// </summary>
internal sealed class QueuedResult(long orderId, long skuId, string? clientOrderNo) : IResult
{
    private const int BodyBytes = 320;

    public Task ExecuteAsync(HttpContext httpContext)
    {
        var id = orderId.ToString(CultureInfo.InvariantCulture);
        var url = string.Create(CultureInfo.InvariantCulture, $"/api/orders/seckill/status?sku_id={skuId}");
        var body = new ArrayBufferWriter<byte>(BodyBytes);
        using (var json = new Utf8JsonWriter(body, new JsonWriterOptions { Encoder = ApiJson.Web.Options.Encoder, SkipValidation = true }))
        {
            var answer = new PlaceOrderResponse("queued", id, id, "PENDING", clientOrderNo is null ? url : $"{url}&client_order_no={clientOrderNo}");
            JsonSerializer.Serialize(json, answer, ApiJson.Web.PlaceOrderResponse);
        }

        var response = httpContext.Response;
        response.ContentType = "application/json; charset=utf-8";
        response.ContentLength = body.WrittenCount;
        return response.Body.WriteAsync(body.WrittenMemory, httpContext.RequestAborted).AsTask();
    }
}
