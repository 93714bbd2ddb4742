using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Options;
using Polly.CircuitBreaker;
using Seckill.Console.Auth;

namespace Seckill.Console.Ops;

/// <summary>The Api's operator calls, on behalf of the logged-in operator. The Api decides what is allowed and writes the audit.</summary>
/// <remarks>All throw <see cref="OpsRefusedException"/> when the Api refuses and <see cref="HttpRequestException"/> when it does not
/// answer.</remarks>
public sealed class OpsApi(HttpClient http, AuthenticationStateProvider login)
{
    private static readonly HttpRequestError[] NeverConnected =
        [HttpRequestError.ConnectionError, HttpRequestError.NameResolutionError, HttpRequestError.SecureConnectionError];

    public Task<OperatorSaleList> SalesAsync(CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, "/api/ops/sales", null, OpsJson.Default.OperatorSaleList, cancellationToken);

    public Task<OperatorSale> CreateSaleAsync(NewSale sale, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Post, "/api/ops/sales", JsonContent.Create(sale, OpsJson.Default.NewSale), OpsJson.Default.OperatorSale,
            cancellationToken);

    public Task<OperatorSale> ChangeSaleAsync(long skuId, SaleChange change, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Put, Sale(skuId), JsonContent.Create(change, OpsJson.Default.SaleChange), OpsJson.Default.OperatorSale,
            cancellationToken);

    public Task<OperatorSale> PauseAsync(long skuId, bool pause, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, $"{Sale(skuId)}/{(pause ? "pause" : "resume")}", null, OpsJson.Default.OperatorSale, cancellationToken);

    public Task<OperatorSale> AddStockAsync(long skuId, StockAddition addition, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Post, $"{Sale(skuId)}/stock", JsonContent.Create(addition, OpsJson.Default.StockAddition),
            OpsJson.Default.OperatorSale, cancellationToken);

    public Task<WarmUpResult> WarmUpAsync(CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "/api/ops/warm-up", null, OpsJson.Default.WarmUpResult, cancellationToken);

    /// <param name="query">Order id or number, user id, or client_order_no.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<OrderList> FindOrdersAsync(string query, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, $"/api/ops/orders?q={Uri.EscapeDataString(query)}", null, OpsJson.Default.OrderList, cancellationToken);

    public Task<Reconciliation> ReconcileAsync(CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, "/api/ops/reconciliation", null, OpsJson.Default.Reconciliation, cancellationToken);

    /// <param name="apply">False: only report the plan.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public Task<RepairResult> RepairAsync(bool apply, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Post, $"/api/ops/reconciliation/repair?apply={(apply ? "true" : "false")}", null, OpsJson.Default.RepairResult,
            cancellationToken);

    public Task<DeadLetterList> DeadLettersAsync(int take, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Get, string.Create(CultureInfo.InvariantCulture, $"/api/ops/dead-letters?take={take}"), null,
            OpsJson.Default.DeadLetterList, cancellationToken);

    /// <summary>One letter, with more of its body than the list shows.</summary>
    public Task<DeadLetterItem> DeadLetterAsync(string id, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, Letter(id), null, OpsJson.Default.DeadLetterItem, cancellationToken);

    public Task<ReplayResult> ReplayAsync(string id, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, $"{Letter(id)}/replay", null, OpsJson.Default.ReplayResult, cancellationToken);

    public Task<ReplayResult> ReplayAllAsync(CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, "/api/ops/dead-letters/replay-all", null, OpsJson.Default.ReplayResult, cancellationToken);

    public Task<AbandonResult> AbandonAsync(string id, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, $"{Letter(id)}/abandon", null, OpsJson.Default.AbandonResult, cancellationToken);

    public Task<AuditList> AuditAsync(int take, CancellationToken cancellationToken) =>
        SendAsync(
            HttpMethod.Get, string.Create(CultureInfo.InvariantCulture, $"/api/ops/audit?take={take}"), null, OpsJson.Default.AuditList,
            cancellationToken);

    /// <summary>Whether there was no readable answer: the Api is down, hung up, or took too long.</summary>
    public static bool IsNoAnswer(Exception failure) =>
        failure is HttpRequestException or OperationCanceledException or Polly.ExecutionRejectedException or System.Text.Json.JsonException;

    /// <summary>Whether the call was sent and its answer is lost: the Api may have carried it out.</summary>
    public static bool IsAnswerLost(Exception failure) => failure switch
    {
        // Never sent.
        BrokenCircuitException => false,
        HttpRequestException unsent when NeverConnected.Contains(unsent.HttpRequestError) => false,
        // A proxy waited for the answer in vain, or the Api has failed after it wrote to MySQL.
        OpsRefusedException { Status: >= HttpStatusCode.InternalServerError } => true,
        _ => IsNoAnswer(failure),
    };

    private static string Sale(long skuId) => string.Create(CultureInfo.InvariantCulture, $"/api/ops/sales/{skuId}");

    private static string Letter(string id) => $"/api/ops/dead-letters/{Uri.EscapeDataString(id)}";

    private async Task<T> SendAsync<T>(
        HttpMethod method, string path, HttpContent? body, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        var state = await login.GetAuthenticationStateAsync();
        using var request = new HttpRequestMessage(method, path) { Content = body };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", state.User.Token());
        using var response = await http.SendAsync(request, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw await OpsRefusedException.ReadAsync(response, cancellationToken);
        }

        return await response.Content.ReadFromJsonAsync(type, cancellationToken)
            ?? throw new HttpRequestException("The Api returned null.");
    }
}

internal static class OpsRegistration
{
    private const int AttemptTimeoutSeconds = 30;

    public static IServiceCollection AddOpsApi(this IServiceCollection services)
    {
        services.AddOptions<ApiOptions>().BindConfiguration(ApiOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddHttpClient<OpsApi>((provider, http) =>
        {
            http.BaseAddress = provider.GetRequiredService<IOptions<ApiOptions>>().Value.Url;
            // The resilience handler sets the time-outs.
            http.Timeout = Timeout.InfiniteTimeSpan;
        });
        services.ConfigureAll<HttpStandardResilienceOptions>(Configure);
        return services;
    }

    private static void Configure(HttpStandardResilienceOptions resilience)
    {
        resilience.AttemptTimeout.Timeout = TimeSpan.FromSeconds(AttemptTimeoutSeconds);
        resilience.TotalRequestTimeout.Timeout = TimeSpan.FromSeconds(AttemptTimeoutSeconds * 2);
        // The breaker's window must be at least twice the attempt time-out.
        resilience.CircuitBreaker.SamplingDuration = TimeSpan.FromSeconds(AttemptTimeoutSeconds * 2);
        // Never retried automatically: the operator sees the result of the first attempt and decides.
        resilience.Retry.DisableForUnsafeHttpMethods();
    }
}
