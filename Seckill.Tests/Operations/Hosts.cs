using System.Net.Http.Headers;
using System.Reflection;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Seckill.Api.Auth;
using Seckill.Api.Catalogue;
using Seckill.Ordering.Ids;
using Seckill.OrderWorker;

namespace Seckill.Tests.Operations;

/// <summary>An HTTP answer.</summary>
public sealed record Reply(int Status, JsonElement Body, HttpResponseHeaders Headers)
{
    /// <summary>The member <c>error</c>; empty without one.</summary>
    public string Error => Body.ValueKind == JsonValueKind.Object && Body.TryGetProperty("error", out var error) ? error.GetString()! : "";

    public string Text(string member) => Body.GetProperty(member).GetString()!;
}

/// <summary>
/// The Api in this process, behind the framework's test server; any of its public types identifies the program. It finds
/// the checkout's keys like an Api that is started by hand.
/// </summary>
public sealed class ApiHost : IAsyncDisposable
{
    public static string OpsKey => CheckoutKeys.OpsKey;

    private readonly WebApplicationFactory<AuthOptions> _factory;
    private readonly TokenIssuer _issuer = new(CheckoutKeys.SigningKey);

    internal ApiHost((string Name, string Value)[] settings)
    {
        _factory = new WebApplicationFactory<AuthOptions>().WithWebHostBuilder(host =>
        {
            host.UseEnvironment("Development");
            foreach (var (name, value) in settings)
            {
                host.UseSetting(name, value);
            }
        });
        Client = _factory.CreateDefaultClient(new OnceReady(this));
    }

    /// <summary>
    /// Holds the first requests back until this Api has read the sales and has order ids, as a load balancer does that goes by health.
    /// True unless a test looks at the time before.
    /// </summary>
    public bool WaitsUntilReady { get; set; } = true;

    /// <summary>
    /// The error with which the Api's program refuses settings in production. The framework's test server may lose such an
    /// error: it looks for the host, which the program has then disposed of.
    /// </summary>
    /// <exception cref="TimeoutException">The program runs with these settings.</exception>
    public static Task<Exception> RefusalAsync(params (string Name, string Value)[] settings)
    {
        string[] arguments = [
            "--environment=Production", $"--contentRoot={Path.Combine(Repository.Root, "Seckill.Api")}", "--urls=http://127.0.0.1:0",
            $"--Auth:SigningKey={CheckoutKeys.SigningKey}", "--ConnectionStrings:redis=localhost:1",
            "--ConnectionStrings:rabbitmq=amqp://localhost:1", "--ConnectionStrings:mysql=Server=localhost;Port=1",
            .. settings.Select(setting => $"--{setting.Name}={setting.Value}")];
        var program = typeof(AuthOptions).Assembly.EntryPoint!;
        return Task.Run(() => Record.Exception(() => program.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [arguments], null)))
            .WaitAsync(TimeSpan.FromMilliseconds(Deadline.TimeoutMs), TestContext.Current.CancellationToken)!;
    }

    public HttpClient Client { get; }

    public T Get<T>() where T : notnull => _factory.Services.GetRequiredService<T>();

    public string Operator => _issuer.ForOperator();

    public string Buyer(long userId) => _issuer.ForBuyer(userId);

    public Task<Reply> GetAsync(string path, string? token = null) => SendAsync(HttpMethod.Get, path, token, null);

    public Task<Reply> PostAsync(string path, string? token = null, string? json = null, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Post, path, token, json, headers);

    /// <summary>The comparison of both stores.</summary>
    public async Task<JsonElement> BooksAsync() => (await GetAsync("/api/ops/reconciliation", Operator)).Body;

    /// <summary>One sale's part of the comparison.</summary>
    public async Task<JsonElement> BooksAsync(long skuId) => (await BooksAsync()).GetProperty("items").EnumerateArray()
        .Single(item => item.GetProperty("sku_id").GetString() == $"{skuId}");

    public Task<Reply> PutAsync(string path, string? token, string json) => SendAsync(HttpMethod.Put, path, token, json);

    public Task<Reply> BuyAsync(long userId, long skuId, string? click = null, params (string Name, string Value)[] headers) => PostAsync(
        "/api/seckill/orders", Buyer(userId),
        $$"""{"sku_id":{{skuId}},"quantity":1,"client_order_no":"{{click ?? Guid.NewGuid().ToString("N")}}"}""",
        headers);

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _factory.DisposeAsync();
    }

    private async Task<Reply> SendAsync(
        HttpMethod method, string path, string? token, string? json, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        using var response = await Client.SendAsync(request, TestContext.Current.CancellationToken);
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        var isJson = response.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) == true;
        return new Reply((int)response.StatusCode, isJson ? JsonElement.Parse(body) : default, response.Headers);
    }

    private sealed class OnceReady(ApiHost api) : DelegatingHandler
    {
        private volatile bool _seen;

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (api.WaitsUntilReady && !_seen)
            {
                var (catalogue, ids) = (api.Get<SaleCatalogue>(), api.Get<OrderIds>());
                _seen = await Deadline.UntilAsync(() => Task.FromResult(catalogue.Loaded && ids.Ready), ready => ready, cancellationToken);
            }

            return await base.SendAsync(request, cancellationToken);
        }
    }
}

/// <summary>The worker in this process.</summary>
public sealed class WorkerHost : IAsyncDisposable
{
    private readonly WebApplicationFactory<WorkerOptions> _factory;

    internal WorkerHost((string Name, string Value)[] settings)
    {
        _factory = new WebApplicationFactory<WorkerOptions>().WithWebHostBuilder(host =>
        {
            host.UseEnvironment("Production");
            foreach (var (name, value) in settings)
            {
                host.UseSetting(name, value);
            }
        });
        // Making the client starts the host.
        _factory.CreateClient().Dispose();
    }

    public T Get<T>() where T : notnull => _factory.Services.GetRequiredService<T>();

    public ValueTask DisposeAsync() => _factory.DisposeAsync();
}
