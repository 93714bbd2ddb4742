using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;
using Seckill.Bench.Load;
using Seckill.Ordering.Store;

namespace Seckill.Bench.Textbook;

/// <summary>
/// The textbook designs, as a separate application: the tutorial's (one script, one publish without confirm for each request)
/// and the three that it replaces, which use the database inside the request.
/// </summary>
internal static class TextbookApi
{
    public const string RedisDesign = "redis";
    public static readonly string[] DatabaseDesigns = ["conditional-update", "for-update", "version-column"];

    private const string BuyerClaim = "sub";

    /// <summary>The command with which the benchmark starts this program; not for users.</summary>
    public static Command Create()
    {
        var design = new Option<string>("--design") { Required = true };
        design.AcceptOnlyFromAmong([RedisDesign, .. DatabaseDesigns]);
        var command = new Command("textbook-api", "Serves one of the textbook designs.") { Hidden = true };
        command.Options.Add(design);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed.GetRequiredValue(design), cancellationToken));
        return command;
    }

    /// <summary>The HTTP part alone: Kestrel, one endpoint that does nothing, no login.</summary>
    public static Command CreateEmpty()
    {
        var command = new Command("empty-api", "Serves an endpoint that does nothing.") { Hidden = true };
        command.SetAction(async (_, cancellationToken) =>
        {
            var app = Builder().Build();
            app.MapGet("/health", () => "Healthy");
            app.MapPost(HttpShop.OrderPath, () => TypedResults.Json(new TextbookAnswer("nothing"), TextbookJson.Default.TextbookAnswer));
            await app.RunAsync(cancellationToken);
        });
        return command;
    }

    private static async Task RunAsync(string design, CancellationToken cancellationToken)
    {
        var builder = Builder();
        builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(bearer =>
        {
            bearer.MapInboundClaims = false;
            bearer.TokenValidationParameters = new TokenValidationParameters
            {
                ValidIssuer = "seckill",
                ValidAudience = "seckill",
                IssuerSigningKey = new SymmetricSecurityKey(Encoding.UTF8.GetBytes(builder.Configuration["Auth:SigningKey"]!)),
            };
        });
        builder.Services.AddAuthorization();
        builder.Services.AddDbContextPool<OrderingDbContext>(options => options.UseMySql(
            builder.Configuration.GetConnectionString("mysql"), new MySqlServerVersion(new Version(8, 0, 36))));
        await using var tutorial = design == RedisDesign ? await TutorialShop.ConnectAsync(builder.Configuration, cancellationToken) : null;
        var app = builder.Build();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapGet("/health", () => "Healthy");
        var orders = tutorial is null
            ? app.MapPost(HttpShop.OrderPath, async (HttpContext http, Purchase order, OrderingDbContext database) =>
                ResultOf(await DatabaseDesign.BuyAsync(design, database, UserOf(http), order.SkuId, order.Quantity, http.RequestAborted)))
            : app.MapPost(HttpShop.OrderPath, async (HttpContext http, Purchase order) =>
                ResultOf(await tutorial.BuyAsync(UserOf(http), order.SkuId, order.Quantity, http.RequestAborted)));
        orders.RequireAuthorization();
        await app.RunAsync(cancellationToken);
    }

    private static WebApplicationBuilder Builder()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.TypeInfoResolverChain.Insert(0, TextbookJson.Default));
        return builder;
    }

    private static long UserOf(HttpContext http) => long.Parse(http.User.FindFirst(BuyerClaim)!.Value, CultureInfo.InvariantCulture);

    private static IResult ResultOf(bool bought) => bought
        ? TypedResults.Json(new TextbookAnswer("queued"), TextbookJson.Default.TextbookAnswer)
        : TypedResults.Json(new Refusal("sold out"), TextbookJson.Default.Refusal, statusCode: StatusCodes.Status400BadRequest);
}

/// <summary>The body of an order.</summary>
internal sealed record Purchase([property: JsonPropertyName("sku_id")] long SkuId, [property: JsonPropertyName("quantity")] int Quantity);

internal sealed record TextbookAnswer([property: JsonPropertyName("message")] string Message);

internal sealed record Refusal([property: JsonPropertyName("error")] string Error);

/// <summary>The tutorial's message.</summary>
internal sealed record TutorialMessage(
    [property: JsonPropertyName("user_id")] long UserId, [property: JsonPropertyName("sku_id")] long SkuId,
    [property: JsonPropertyName("quantity")] int Quantity);

[JsonSerializable(typeof(Purchase))]
[JsonSerializable(typeof(TextbookAnswer))]
[JsonSerializable(typeof(Refusal))]
[JsonSerializable(typeof(TutorialMessage))]
internal sealed partial class TextbookJson : JsonSerializerContext;
