using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Seckill.Tests.AppModel;

/// <summary>The dashboard's commands when nothing says whether they took effect.</summary>
public sealed class SaleCommandTests
{
    private const string Sales = """{"items":[{"sku_id":"1001","units":500}]}""";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("add-stock", null, "may have been added: look at the sale's units, and repeat the command only if they are still 500.")]
    [InlineData("add-stock", StatusCodes.Status503ServiceUnavailable, "repeat the command only if they are still 500.")]
    [InlineData("pause-sale", null, "Repeating the command is harmless.")]
    public async Task A_command_without_an_outcome_says_whether_it_may_be_repeated(string command, int? status, string advice)
    {
        await using var api = await StartAsync(status);
        await using var appHost = await BuiltAppHost.ForRunAsync(Token);

        var result = await appHost.ExecuteAsync(
            "api", new Uri(api.Urls.First()).Port, command, Token, ("sku-id", "1001"), ("units", "7"));

        Assert.False(result.Success);
        Assert.Contains(advice, result.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_that_was_refused_gives_the_Apis_reason_alone()
    {
        await using var api = await StartAsync(StatusCodes.Status409Conflict);
        await using var appHost = await BuiltAppHost.ForRunAsync(Token);

        var result = await appHost.ExecuteAsync(
            "api", new Uri(api.Urls.First()).Port, "add-stock", Token, ("sku-id", "1001"), ("units", "7"));

        Assert.Equal((false, "The Api answered 409: the reason"), (result.Success, result.Message));
    }

    /// <summary>An Api that lists one sale and answers commands with a status, or breaks the connection.</summary>
    private static async Task<WebApplication> StartAsync(int? status)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = "Production" });
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.MapGet("/api/ops/sales", () => Results.Text(Sales, "application/json"));
        app.MapPost("/api/ops/sales/1001/{action}", (HttpContext http) =>
        {
            if (status is { } code)
            {
                http.Response.StatusCode = code;
                return http.Response.WriteAsync("the reason", Token);
            }

            http.Abort();
            return Task.CompletedTask;
        });
        await app.StartAsync(Token);
        return app;
    }
}
