namespace Seckill.LocalServers;

/// <summary>Where things are in the checkout that the running program was built from.</summary>
public static class Repository
{
    /// <summary>The folder with the solution file.</summary>
    /// <exception cref="InvalidOperationException">The program was copied out of its checkout.</exception>
    public static string Root { get; } = FindRoot();

    /// <summary>A service's assembly, from the build that also built the running program (Debug or Release).</summary>
    public static string Assembly(string project)
    {
        var framework = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
        return Path.Combine(Root, project, "bin", framework.Parent!.Name, framework.Name, project + ".dll");
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Seckill.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"no Seckill.sln above {AppContext.BaseDirectory}");
    }
}
