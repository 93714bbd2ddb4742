using Microsoft.Net.Http.Headers;

namespace Seckill.Api.Page;

/// <summary>
/// The buyer's page: static files, the same for everybody, so that a CDN can cache them and keep their load off this process.
/// </summary>
internal static class PageRegistration
{
    /// <summary>
    /// Old pages must not outlive a release by much; after this time a cache serves its copy and revalidates it by ETag meanwhile.
    /// </summary>
    private const int FreshSeconds = 60;
    private const int StaleWhileRevalidateSeconds = 600;

    /// <summary>The folder of the files: beside the program, whatever the working directory.</summary>
    public static string Root => Path.Combine(AppContext.BaseDirectory, "wwwroot");

    public static void UsePage(this IApplicationBuilder app)
    {
        app.UseDefaultFiles();
        app.UseStaticFiles(new StaticFileOptions
        {
            OnPrepareResponse = context => context.Context.Response.Headers[HeaderNames.CacheControl] =
                $"public, max-age={FreshSeconds}, stale-while-revalidate={StaleWhileRevalidateSeconds}",
        });
    }
}
