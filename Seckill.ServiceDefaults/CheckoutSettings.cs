using Microsoft.Extensions.Configuration.Json;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.FileProviders.Physical;
using Microsoft.Extensions.Hosting;

namespace Seckill.ServiceDefaults;

/// <summary>
/// The keys that this checkout generated, for an application that is started by hand. Every other configuration source of these keys
/// takes precedence.
/// </summary>
internal static class CheckoutSettings
{
    private const string KeysFile = ".seckill/keys.json";

    public static void AddCheckoutKeys(this IHostApplicationBuilder builder)
    {
        if (!builder.Environment.IsDevelopment())
        {
            return;
        }

        for (var folder = new DirectoryInfo(builder.Environment.ContentRootPath); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, KeysFile)))
            {
                // The default file provider hides names that begin with a dot.
                builder.Configuration.Sources.Insert(0, new JsonConfigurationSource
                {
                    FileProvider = new PhysicalFileProvider(folder.FullName, ExclusionFilters.None),
                    Path = KeysFile,
                });
                return;
            }
        }
    }
}
