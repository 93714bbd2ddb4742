using System.Text.Json;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.Options;
using Microsoft.OpenApi;
using Scalar.AspNetCore;

namespace Seckill.Api.Documentation;

/// <summary>
/// The OpenAPI document and its page. The framework's own endpoint builds the document for each request, which is slow; this one builds it
/// once.
/// </summary>
internal static class DocumentationEndpoints
{
    /// <summary>The framework registers each document's provider under its name.</summary>
    private const string DocumentName = "v1";
    private const string Page = "/docs";
    private const int FreshSeconds = 60;

    public static IServiceCollection AddDocumentation(this IServiceCollection services)
    {
        services.AddOptions<DocumentationOptions>().BindConfiguration(DocumentationOptions.Section);
        // The document takes names and types from these options; the endpoints themselves use ApiJson explicitly.
        services.ConfigureHttpJsonOptions(options =>
        {
            options.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
            options.SerializerOptions.TypeInfoResolverChain.Insert(0, ApiJson.Web);
        });
        return services.AddOpenApi(DocumentName, options => options.AddSecuritySchemes());
    }

    public static WebApplication MapDocumentation(this WebApplication app)
    {
        if (app.Services.GetRequiredService<IOptions<DocumentationOptions>>().Value.Enabled ?? app.Environment.IsDevelopment())
        {
            var document = new Lazy<Task<byte[]>>(() => DescribeAsync(app.Services));
            app.MapGet($"/openapi/{DocumentName}.json", async (HttpContext http) =>
            {
                http.Response.Headers.CacheControl = $"public, max-age={FreshSeconds}";
                return TypedResults.Bytes(await document.Value.WaitAsync(http.RequestAborted), "application/json");
            }).ExcludeFromDescription();
            app.MapScalarApiReference(Page);
        }

        return app;
    }

    private static async Task<byte[]> DescribeAsync(IServiceProvider services)
    {
        var provider = services.GetRequiredKeyedService<IOpenApiDocumentProvider>(DocumentName);
        var document = await provider.GetOpenApiDocumentAsync();
        // The document names no server address: clients use the address they fetched it from.
        document.Servers = [];
        using var text = new MemoryStream();
        await document.SerializeAsJsonAsync(text, OpenApiSpecVersion.OpenApi3_1);
        return text.ToArray();
    }
}
