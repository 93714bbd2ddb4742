using System.IO.Pipelines;
using BenchmarkDotNet.Attributes;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using Seckill.Api;
using Seckill.Api.Auth;
using Seckill.Api.Orders;
using Seckill.Api.Requests;
using Seckill.Ordering.Ids;

namespace Seckill.Bench.InProcess;

/// <summary>
/// The Api's own cost per click between the socket and Redis: token, body, order id, answer; with the Api's settings.
/// </summary>
public class RequestBenchmarks
{
    private const int TokensRememberedMax = 1_000;
    private const long UserId = 1_000_000;
    private const string ClickNo = "0b9f8f4e-0f7c-4d0e-9a57-8f2f6a3d1c55";

    private readonly SnowflakeSequence _ids = new(SnowflakeSequence.NodeMax, TimeProvider.System);
    private readonly byte[] _body = System.Text.Encoding.UTF8.GetBytes(
        $$"""{"sku_id":{{SampleOrders.FirstSku}},"quantity":1,"client_order_no":"{{ClickNo}}"}""");
    private readonly ReadyBody _ready = new();
    private DefaultHttpContext _http = null!;
    private long _orderId;
    private string _token = "";
    private JwtBearerOptions _remembering = null!;
    private JwtBearerOptions _checking = null!;

    [GlobalSetup]
    public async Task PrepareAsync()
    {
        _token = new TokenIssuer(CheckoutKeys.SigningKey).ForBuyer(UserId);
        _remembering = OptionsOf(TokensRememberedMax);
        _checking = OptionsOf(0);
        // A token is cached when it is seen for the second time.
        await ValidateAsync(_remembering);
        await ValidateAsync(_remembering);

        _orderId = _ids.Next();
        _http = new DefaultHttpContext { RequestServices = new ServiceCollection().AddLogging().BuildServiceProvider() };
        _http.Features.Set<IRequestBodyPipeFeature>(_ready);
        _http.Request.ContentType = "application/json";
        _http.Request.ContentLength = _body.Length;
    }

    [BenchmarkCategory("token")]
    [Benchmark(Description = "check a token", Baseline = true)]
    public Task<TokenValidationResult> CheckAsync() => ValidateAsync(_checking);

    [BenchmarkCategory("token")]
    [Benchmark(Description = "check a token that is remembered")]
    public Task<TokenValidationResult> RememberAsync() => ValidateAsync(_remembering);

    [BenchmarkCategory("body")]
    [Benchmark(Description = "read a click's body")]
    public async Task<PlaceOrderRequest?> ReadAsync() =>
        (await JsonBody.ReadAsync(Request(), ApiJson.Web.PlaceOrderRequest, default)).Value;

    [BenchmarkCategory("id")]
    [Benchmark(Description = "make an order id")]
    public long NextId() => _ids.Next();

    [BenchmarkCategory("answer")]
    [Benchmark(Description = "answer \"queued\"")]
    public Task AnswerAsync() => OrderEndpoints.Queued(_orderId, SampleOrders.FirstSku, ClickNo, 1_999m).ExecuteAsync(_http);

    private HttpRequest Request()
    {
        _ready.Reader = PipeReader.Create(new(_body));
        return _http.Request;
    }

    private Task<TokenValidationResult> ValidateAsync(JwtBearerOptions options) =>
        options.TokenHandlers[0].ValidateTokenAsync(_token, options.TokenValidationParameters);

    private static JwtBearerOptions OptionsOf(int tokensRememberedMax) => new ServiceCollection()
        .AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Auth:Issuer"] = "seckill",
            ["Auth:Audience"] = "seckill",
            ["Auth:SigningKey"] = CheckoutKeys.SigningKey,
            ["Auth:TokensRememberedMax"] = $"{tokensRememberedMax}",
        }).Build())
        .AddSingleton<IHostEnvironment>(new HostingEnvironment { EnvironmentName = Environments.Development })
        .AddSingleton(TimeProvider.System)
        .AddLogging()
        .AddLoginState()
        .BuildServiceProvider()
        .GetRequiredService<IOptionsMonitor<JwtBearerOptions>>()
        .Get(JwtBearerDefaults.AuthenticationScheme);

    /// <summary>A body that has arrived completely, as a click's does.</summary>
    private sealed class ReadyBody : IRequestBodyPipeFeature
    {
        public PipeReader Reader { get; set; } = PipeReader.Create(Stream.Null);
    }
}
