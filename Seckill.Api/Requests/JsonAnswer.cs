using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Seckill.Api.Requests;

/// <summary>
/// 200 with a small JSON body, written in one piece with its content length. The framework's result creates a service scope for logging,
/// and sends headers and body separately.
/// </summary>
internal sealed class JsonAnswer<T>(T value, JsonTypeInfo<T> type) : IResult
{
    private const string ContentType = "application/json; charset=utf-8";

    public Task ExecuteAsync(HttpContext httpContext)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(value, type);
        var response = httpContext.Response;
        response.ContentType = ContentType;
        response.ContentLength = body.Length;
        return response.Body.WriteAsync(body, httpContext.RequestAborted).AsTask();
    }
}
