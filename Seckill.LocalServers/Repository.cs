namespace Seckill.LocalServers;

/// <summary>Paths in the checkout that the running program was built from.</summary>
public static class Repository
{
    /// <summary>The folder with the solution file.</summary>
    /// <exception cref="InvalidOperationException">The program was moved out of its checkout.</exception>
    public static string Root { get; } = FindRoot();

    /// <summary>The running program's build configuration: Debug or Release.</summary>
    public static string Configuration => Output.Parent!.Name;

    private static DirectoryInfo Output => new(AppContext.BaseDirectory.TrimEnd('/'));

    /// <summary>
    /// A service's assembly in the running program's build configuration. The project's folder may be in
    /// another checkout that was built in the same configuration.
    /// </summary>
    public static string Assembly(string project) =>
        Path.Combine(Root, project, "bin", Configuration, Output.Name, Path.GetFileName(project) + ".dll");

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
