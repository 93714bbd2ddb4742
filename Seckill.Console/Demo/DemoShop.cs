using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.Options;
using OpenTelemetry;
using Seckill.Console.Ops;

namespace Seckill.Console.Demo;

/// <summary>How a click was answered.</summary>
public enum ClickAnswer
{
    Queued,
    Refused,
    Failed,
}

/// <summary>
/// Calls the Api as outside clients do: each buyer with its own token, without hidden retries, and without starting traces here.
/// </summary>
internal sealed class DemoShop(IOptions<ApiOptions> options) : IDisposable
{
    private const int ConnectionsMax = 512;
    private const int RequestTimeoutSeconds = 30;
    private const int BusyTriesMax = 5;
    private const int BusyWaitMs = 1_000;

    private readonly HttpClient _http = new(new SocketsHttpHandler { MaxConnectionsPerServer = ConnectionsMax, UseCookies = false })
    {
        BaseAddress = options.Value.Url,
        Timeout = TimeSpan.FromSeconds(RequestTimeoutSeconds),
    };

    /// <summary>A token from the Api's demo login; Development only.</summary>
    /// <exception cref="OpsRefusedException">The Api issues none.</exception>
    public async Task<string> LogInAsync(long userId, string? role, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(
            HttpMethod.Post, "/api/demo/login", null, JsonContent.Create(new DemoLoginBody(userId, role), OpsJson.Default.DemoLoginBody),
            cancellationToken);
        return (await ReadAsync(response, OpsJson.Default.DemoLoginAnswer, cancellationToken)).Token;
    }

    /// <summary>Whether the gate sells the SKU yet.</summary>
    public async Task<bool> IsOnSaleAsync(long skuId, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(HttpMethod.Get, "/api/products", null, null, cancellationToken);
        var listing = await ReadAsync(response, OpsJson.Default.DemoListing, cancellationToken);
        return listing.Items.Any(item => item.SkuId == skuId && item.Stock is not null);
    }

    /// <summary>One click; when the Api is busy, it is repeated with the same number.</summary>
    public async Task<ClickAnswer> ClickAsync(string token, DemoClick click, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            using var response = await SendAsync(
                HttpMethod.Post, "/api/seckill/orders", token, JsonContent.Create(click, OpsJson.Default.DemoClick), cancellationToken);
            if (response.StatusCode is not (HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests) || attempt == BusyTriesMax)
            {
                return response.IsSuccessStatusCode ? ClickAnswer.Queued
                    : response.StatusCode == HttpStatusCode.BadRequest ? ClickAnswer.Refused
                    : ClickAnswer.Failed;
            }

            await Task.Delay(BusyWaitMs, cancellationToken);
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, string? token, HttpContent? body, CancellationToken cancellationToken)
    {
        using var strangers = SuppressInstrumentationScope.Begin();
        using var request = new HttpRequestMessage(method, path) { Content = body };
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        return await _http.SendAsync(request, cancellationToken);
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        response.IsSuccessStatusCode
            ? await response.Content.ReadFromJsonAsync(type, cancellationToken) ?? throw new HttpRequestException("The Api returned null.")
            : throw await OpsRefusedException.ReadAsync(response, cancellationToken);
}
