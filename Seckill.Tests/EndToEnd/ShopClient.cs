using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Seckill.Tests.EndToEnd;

/// <summary>An answer of the Api.</summary>
public sealed record ApiAnswer(HttpStatusCode Status, JsonElement Body, HttpResponseHeaders Headers)
{
    /// <summary>The <c>error</c> member, or null.</summary>
    public string? Error => Text("error");

    public string? Text(string member) =>
        Body.ValueKind == JsonValueKind.Object && Body.TryGetProperty(member, out var value) ? value.ToString() : null;
}

/// <summary>Calls the Api like a page, with plain HTTP and none of the product's code.</summary>
public sealed class ShopClient(string url) : IDisposable
{
    private const int RequestTimeoutMs = 60_000;
    private const int LargeBodyBytes = 1_000_000;

    // A page sends no traceparent. This would, whenever a host in this process listens to HTTP clients, and the click's trace would begin
    // here.
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        ActivityHeadersPropagator = null,
        // A slow "continue" must not make the upload begin without it.
        Expect100ContinueTimeout = TimeSpan.FromMilliseconds(RequestTimeoutMs),
    })
    {
        BaseAddress = new Uri(url),
        Timeout = TimeSpan.FromMilliseconds(RequestTimeoutMs),
    };

    public async Task<string> LogInAsync(long userId, CancellationToken cancellationToken, string? role = null)
    {
        var answer = await SendAsync(
            HttpMethod.Post, "/api/demo/login", null,
            role is null ? $"{{\"user_id\":{userId}}}" : $"{{\"user_id\":{userId},\"role\":\"{role}\"}}", cancellationToken);
        return answer.Text("token") ?? throw new InvalidOperationException($"{answer.Status}: {answer.Body}");
    }

    public Task<ApiAnswer> BuyAsync(
        string token, long skuId, CancellationToken cancellationToken, int quantity = 1, string? clientOrderNo = null) =>
        SendAsync(
            HttpMethod.Post, "/api/seckill/orders", token,
            clientOrderNo is null
                ? $"{{\"sku_id\":{skuId},\"quantity\":{quantity}}}"
                : $"{{\"sku_id\":{skuId},\"quantity\":{quantity},\"client_order_no\":\"{clientOrderNo}\"}}",
            cancellationToken);

    public Task<ApiAnswer> StatusAsync(string token, long skuId, CancellationToken cancellationToken, string? clientOrderNo = null) =>
        SendAsync(
            HttpMethod.Get,
            $"/api/orders/seckill/status?sku_id={skuId}{(clientOrderNo is null ? "" : $"&client_order_no={clientOrderNo}")}", token, null,
            cancellationToken);

    /// <summary>Polls until the order has a verdict.</summary>
    public Task<ApiAnswer> OutcomeAsync(
        string token, long skuId, CancellationToken cancellationToken, string? clientOrderNo = null, int timeoutMs = 60_000) =>
        Deadline.UntilAsync(
            () => StatusAsync(token, skuId, cancellationToken, clientOrderNo), answer => answer.Text("status") is "SUCCESS" or "FAILED",
            cancellationToken, timeoutMs);

    public Task<ApiAnswer> GetAsync(string path, CancellationToken cancellationToken, string? token = null) =>
        SendAsync(HttpMethod.Get, path, token, null, cancellationToken);

    public Task<ApiAnswer> PostAsync(
        string path, string? body, CancellationToken cancellationToken, string? token = null, string contentType = "application/json") =>
        SendAsync(HttpMethod.Post, path, token, body, cancellationToken, contentType);

    /// <summary>Waits until a SKU is listed with a stock that the gate sells from.</summary>
    public Task WaitUntilOnSaleAsync(long skuId, CancellationToken cancellationToken) =>
        Deadline.UntilAsync(
            () => GetAsync("/api/products", cancellationToken),
            answer => answer.Body.GetProperty("items").EnumerateArray().Any(item =>
                item.GetProperty("sku_id").GetString() == $"{skuId}" && item.TryGetProperty("stock", out var stock)
                    && stock.ValueKind == JsonValueKind.Number),
            cancellationToken,
            60_000);

    public void Dispose() => _http.Dispose();

    private async Task<ApiAnswer> SendAsync(
        HttpMethod method, string path, string? token, string? body, CancellationToken cancellationToken,
        string contentType = "application/json")
    {
        using var request = new HttpRequestMessage(method, path);
        if (token is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, contentType);
            // Waits for "continue": a server that refuses a body for its size may hang up during the upload, which would hide its answer.
            request.Headers.ExpectContinue = body.Length > LargeBodyBytes;
        }

        using var response = await SendAsync(request, cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        using var document = JsonDocument.Parse(text.StartsWith('{') ? text : "null");
        return new ApiAnswer(response.StatusCode, document.RootElement.Clone(), response.Headers);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await _http.SendAsync(request, cancellationToken);
        }
        catch (SocketException exception)
        {
            // Thrown directly when the server dies while connecting; callers should see the same exception.
            throw new HttpRequestException(exception.Message, exception);
        }
    }
}
