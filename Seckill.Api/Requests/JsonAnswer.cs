using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Seckill.Api.Requests;

/// <summary>
/// 200 with a small JSON body, written at once and with its length. The framework's result asks for a scope of services to log by, and
/// sends headers and body apart.
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
