using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Seckill.Bench.Load;

/// <summary>A shop's front end seen from the gate: keep-alive connections, one token per buyer.</summary>
public sealed class GateClient : IDisposable
{
    private readonly HttpClient _http;

    /// <param name="api">Base address of the gate.</param>
    /// <param name="connectionsMax">Maximum of open connections, and so of concurrent requests.</param>
    /// <param name="timeoutMs">Time after which a request counts as unanswered, ms.</param>
    public GateClient(Uri api, int connectionsMax, int timeoutMs)
    {
        _http = new HttpClient(new SocketsHttpHandler
        {
            MaxConnectionsPerServer = connectionsMax,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(2),
            UseCookies = false,
            UseProxy = false,
            AllowAutoRedirect = false,
        })
        {
            BaseAddress = api,
            Timeout = TimeSpan.FromMilliseconds(timeoutMs),
        };
    }

    public void Dispose() => _http.Dispose();

    /// <summary>One click. Connection failures become <see cref="AskOutcome.NoAnswer"/>.</summary>
    public async Task<Answer> OrderAsync(Buyer buyer, long skuId, int quantity, CancellationToken cancellationToken)
    {
        try
        {
            using var request = Request(HttpMethod.Post, "/api/seckill/orders", buyer.Token);
            request.Content = JsonContent.Create(new OrderBody(skuId, quantity, buyer.ClientOrderNo), ShopJson.Default.OrderBody);
            using var response = await _http.SendAsync(request, cancellationToken);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                return new Answer(buyer, AskOutcome.Refused, 0, await ReasonAsync(response, cancellationToken), (int)response.StatusCode);
            }

            var queued = await response.Content.ReadFromJsonAsync(ShopJson.Default.QueuedBody, cancellationToken);
            return new Answer(buyer, AskOutcome.Queued, long.Parse(queued!.OrderId, CultureInfo.InvariantCulture), "", 200, queued.Amount);
        }
        catch (Exception exception) when (IsFault(exception, cancellationToken))
        {
            return new Answer(buyer, AskOutcome.NoAnswer, 0, Root(exception).Message);
        }
    }

    /// <summary>The order's state now; null while it is pending or unknown.</summary>
    public async Task<(FinalState State, string Detail)?> StatusAsync(Buyer buyer, long skuId, CancellationToken cancellationToken)
    {
        try
        {
            using var request = Request(
                HttpMethod.Get,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"/api/orders/seckill/status?sku_id={skuId}"
                        + $"{(buyer.ClientOrderNo is null ? "" : "&client_order_no=")}{buyer.ClientOrderNo}"),
                buyer.Token);
            using var response = await _http.SendAsync(request, cancellationToken);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                return null;
            }

            var status = await response.Content.ReadFromJsonAsync(ShopJson.Default.StatusBody, cancellationToken);
            return status?.Status switch
            {
                "SUCCESS" => (FinalState.Success, status.OrderSn ?? ""),
                "FAILED" => (FinalState.Failed, status.Reason ?? ""),
                _ => null,
            };
        }
        catch (Exception exception) when (IsFault(exception, cancellationToken))
        {
            return null;
        }
    }

    /// <summary>Asks the gate to load its counters from MySQL.</summary>
    /// <exception cref="HttpRequestException">The gate is unreachable or refuses.</exception>
    public async Task WarmUpAsync(string operatorToken, CancellationToken cancellationToken)
    {
        using var request = Request(HttpMethod.Post, "/api/ops/warm-up", operatorToken);
        using var response = await _http.SendAsync(request, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException(
                $"Warm-up was refused: {await ReasonAsync(response, cancellationToken)}", null, response.StatusCode);
        }
    }

    /// <summary>The stock that the catalogue shows for a SKU, units; null while it does not list it.</summary>
    /// <exception cref="HttpRequestException">The gate is unreachable.</exception>
    public async Task<long?> CatalogueStockAsync(long skuId, CancellationToken cancellationToken)
    {
        using var response = await _http.GetAsync("/api/products", cancellationToken);
        response.EnsureSuccessStatusCode();
        var listing = await response.Content.ReadFromJsonAsync(ShopJson.Default.ListingBody, cancellationToken);
        var id = skuId.ToString(CultureInfo.InvariantCulture);
        return listing?.Items.FirstOrDefault(item => item.SkuId == id)?.Stock;
    }

    private static HttpRequestMessage Request(HttpMethod method, string path, string token) => new(method, path)
    {
        Headers = { Authorization = new AuthenticationHeaderValue("Bearer", token) },
    };

    /// <summary>The problem's <c>error</c> member with the status code.</summary>
    private static async Task<string> ReasonAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var status = (int)response.StatusCode;
        try
        {
            var problem = await response.Content.ReadFromJsonAsync(ShopJson.Default.ProblemBody, cancellationToken);
            return $"{problem?.Error ?? response.ReasonPhrase} ({status})";
        }
        catch (JsonException)
        {
            return $"{response.ReasonPhrase} ({status})";
        }
    }

    /// <summary>A connection failure or a time-out, but not the caller's cancellation.</summary>
    private static bool IsFault(Exception exception, CancellationToken cancellationToken) =>
        exception is HttpRequestException or IOException or JsonException or FormatException
        || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    private static Exception Root(Exception exception) => exception.InnerException is { } inner ? Root(inner) : exception;
}

internal sealed record OrderBody(
    [property: JsonPropertyName("sku_id")] long SkuId,
    [property: JsonPropertyName("quantity")] int Quantity,
    [property: JsonPropertyName("client_order_no"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? ClientOrderNo);

internal sealed record QueuedBody(
    [property: JsonPropertyName("order_id")] string OrderId, [property: JsonPropertyName("amount")] decimal? Amount);

internal sealed record StatusBody(
    [property: JsonPropertyName("status")] string Status,
    [property: JsonPropertyName("order_sn")] string? OrderSn,
    [property: JsonPropertyName("reason")] string? Reason);

internal sealed record ListedSku([property: JsonPropertyName("sku_id")] string SkuId, [property: JsonPropertyName("stock")] long? Stock);

internal sealed record ListingBody([property: JsonPropertyName("items")] IReadOnlyList<ListedSku> Items);

internal sealed record ProblemBody([property: JsonPropertyName("error")] string? Error);

[JsonSerializable(typeof(OrderBody))]
[JsonSerializable(typeof(QueuedBody))]
[JsonSerializable(typeof(StatusBody))]
[JsonSerializable(typeof(ListingBody))]
[JsonSerializable(typeof(ProblemBody))]
internal sealed partial class ShopJson : JsonSerializerContext;
