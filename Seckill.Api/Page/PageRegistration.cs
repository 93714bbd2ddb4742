using Microsoft.Net.Http.Headers;

namespace Seckill.Api.Page;

/// <summary>
/// The buyer's page: plain files, the same for everybody, so that a CDN can keep them and the rush never reaches this process for them.
/// </summary>
internal static class PageRegistration
{
    /// <summary>
    /// Old pages must not outlive a release by much; after this a cache shows what it has and asks with the ETag meanwhile.
    /// </summary>
    private const int FreshSeconds = 60;
    private const int StaleWhileRevalidateSeconds = 600;

    /// <summary>Where the files are: beside the program, whatever folder it is started from.</summary>
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
