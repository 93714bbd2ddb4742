using System.Net;

namespace Seckill.Tests.EndToEnd;

/// <summary>Whatever a client sends, it gets a clear 4xx with an <c>error</c>, and nothing changes.</summary>
[Collection(nameof(RunningSystem))]
public sealed class BadInputTests(RunningSystem running)
{
    private const long Sku = 21_001;
    private static readonly SemaphoreSlim Once = new(1, 1);
    private static bool _onSale;
    private static long _nextUser = 30_000;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    public static TheoryData<string, int, string> Bodies { get; } = new()
    {
        { """{"sku_id":21001,"quantity":0}""", 400, "quantity must be 1 to 1000" },
        { """{"sku_id":21001,"quantity":-1}""", 400, "quantity must be 1 to 1000" },
        { """{"sku_id":21001,"quantity":1001}""", 400, "quantity must be 1 to 1000" },
        { """{"sku_id":21001,"quantity":99999999999999999999}""", 400, "quantity is not valid" },
        { """{"sku_id":21001,"quantity":"1"}""", 400, "quantity is not valid" },
        { """{"sku_id":21001,"quantity":1.5}""", 400, "quantity is not valid" },
        { """{"sku_id":21001}""", 400, "quantity is required" },
        { """{"quantity":1}""", 400, "sku_id is required" },
        { """{"sku_id":null,"quantity":1}""", 400, "sku_id is required" },
        { """{"sku_id":-5,"quantity":1}""", 400, "sku_id must be positive" },
        { """{"sku_id":"many","quantity":1}""", 400, "sku_id is not valid" },
        { """{"sku_id":21001,"quantity":1,"quantity":2}""", 400, "quantity is not valid" },
        { """{"sku_id":21001,"quantity":1""", 400, "malformed JSON" },
        { """["sku_id",21001]""", 400, "malformed JSON" },
        { "null", 400, "malformed JSON" },
        { "", 400, "malformed JSON" },
        { """{"sku_id":21001,"quantity":1,"client_order_no":""}""", 400, "client_order_no must be" },
        { """{"sku_id":21001,"quantity":1,"client_order_no":"a|b"}""", 400, "client_order_no must be" },
        { """{"sku_id":21001,"quantity":1,"client_order_no":7}""", 400, "client_order_no is not valid" },
        { """{"sku_id":999999999,"quantity":1}""", 404, "unknown sku" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_wrong_body_is_refused(string body, int status, string error)
    {
        using var client = await ClientAsync();
        var token = await client.LogInAsync(User(), _cancellation);
        await RefusedAsync(() => client.PostAsync("/api/seckill/orders", body, _cancellation, token), status, error);
    }

    [Fact]
    public async Task A_huge_body_is_refused()
    {
        using var client = await ClientAsync();
        var token = await client.LogInAsync(User(), _cancellation);
        await RefusedAsync(
            () => client.PostAsync("/api/seckill/orders", new string(' ', 10_000_000), _cancellation, token), 413,
            "request body too large");
    }

    [Fact]
    public async Task Another_content_type_is_refused()
    {
        using var client = await ClientAsync();
        var token = await client.LogInAsync(User(), _cancellation);
        await RefusedAsync(
            () => client.PostAsync("/api/seckill/orders", """{"sku_id":21001,"quantity":1}""", _cancellation, token, "text/plain"), 415,
            "unsupported media type");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("not-a-token")]
    // Signed with the development key: expired in 2001; another issuer; sub "seven". The last one is not signed.
    [InlineData(
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI3IiwiaXNzIjoic2Vja2lsbCIsImF1ZCI6InNlY2tpbGwiLCJleHAiOjEwMDAwMDAwMDB9."
            + "aXm4LBx-e-HuyEe2fRkhfxdLrpjPlgxOlww68r63yYY")]
    [InlineData(
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI3IiwiaXNzIjoib3RoZXIiLCJhdWQiOiJzZWNraWxsIiwiZXhwIjo0MDAwMDAwMDAwfQ."
            + "5BsvWxOBtHTbzkFMIV22L_EMhdsqokiKozSDls54wk0")]
    [InlineData(
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJzZXZlbiIsImlzcyI6InNlY2tpbGwiLCJhdWQiOiJzZWNraWxsIiwiZXhwIjo0MDAwMDAwMDAwfQ."
            + "rb7JbZGMb23sZkABUKhieV5SCCUDIyGgsz4ks1jl98s")]
    [InlineData("eyJhbGciOiJub25lIn0.eyJzdWIiOiI3IiwiaXNzIjoic2Vja2lsbCIsImF1ZCI6InNlY2tpbGwiLCJleHAiOjQwMDAwMDAwMDB9.")]
    public async Task Without_a_valid_token_nobody_buys(string? token)
    {
        using var client = await ClientAsync();
        await RefusedAsync(
            () => client.PostAsync("/api/seckill/orders", """{"sku_id":21001,"quantity":1}""", _cancellation, token), 401, "unauthorized");
    }

    [Theory]
    [InlineData("")]
    [InlineData("?sku_id=")]
    [InlineData("?sku_id=x")]
    [InlineData("?sku_id=-1")]
    [InlineData("?sku_id=21001&client_order_no=a%7Cb")]
    public async Task A_wrong_question_is_refused(string query)
    {
        using var client = await ClientAsync();
        var token = await client.LogInAsync(User(), _cancellation);
        await RefusedAsync(() => client.GetAsync($"/api/orders/seckill/status{query}", _cancellation, token), 400, "");
    }

    [Fact]
    public async Task Operators_only()
    {
        using var client = await ClientAsync();
        await RefusedAsync(() => client.PostAsync("/api/ops/warm-up", null, _cancellation), 401, "unauthorized");
        var buyer = await client.LogInAsync(User(), _cancellation);
        await RefusedAsync(() => client.PostAsync("/api/ops/warm-up", null, _cancellation, buyer), 403, "forbidden");
        var answer = await client.PostAsync("/api/ops/warm-up", null, _cancellation, await client.LogInAsync(2, _cancellation, "operator"));
        Assert.Equal(HttpStatusCode.OK, answer.Status);
    }

    /// <summary>A new buyer each time: a single one would soon hit the rate limit.</summary>
    private static long User() => Interlocked.Increment(ref _nextUser);

    private async Task<ShopClient> ClientAsync()
    {
        var client = running.System.Client();
        await Once.WaitAsync(_cancellation);
        try
        {
            if (!_onSale)
            {
                await running.System.AddSaleAsync(Sku, units: 10, limitPerUser: 10, _cancellation);
                _onSale = true;
            }
        }
        finally
        {
            Once.Release();
        }

        await client.WaitUntilOnSaleAsync(Sku, _cancellation);
        return client;
    }

    private async Task RefusedAsync(Func<Task<ApiAnswer>> ask, int status, string error)
    {
        var before = await StateAsync();
        var answer = await ask();
        Assert.Equal(status, (int)answer.Status);
        Assert.StartsWith(error, answer.Error, StringComparison.Ordinal);
        Assert.NotEmpty(answer.Error!);
        Assert.Equal($"{status}", answer.Text("status"));
        Assert.Equal(before, await StateAsync());
    }

    private async Task<(long Stock, long Orders, long Reservations)> StateAsync()
    {
        var redis = running.System.RedisConnection.GetDatabase();
        return (
            (long)await redis.StringGetAsync($"stock:sku:{Sku}"),
            await running.System.CountAsync($"SELECT COUNT(*) FROM order_items WHERE sku_id = {Sku}", _cancellation),
            await redis.HashLengthAsync($"{{stock:sku:{Sku}}}:orders"));
    }
}
