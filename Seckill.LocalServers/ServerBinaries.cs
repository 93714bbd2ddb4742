namespace Seckill.LocalServers;

/// <summary>Finds server binaries, on the machine or in a folder that holds a small system.</summary>
public static class ServerBinaries
{
    private static readonly string[] UsualFolders =
        ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

    /// <summary>
    /// The server's binary, as a path that is valid where it will run (inside <see cref="LocalServerOptions.ServersRoot"/> if set).
    /// </summary>
    /// <param name="options">Says where to look.</param>
    /// <param name="variable">Environment variable that may name the binary.</param>
    /// <param name="names">File names, or absolute paths to try first.</param>
    /// <param name="package">The package to suggest if there is none.</param>
    /// <exception cref="LocalServerException">There is none; the message says what to install or to use instead.</exception>
    public static string Find(LocalServerOptions options, string variable, string[] names, string package)
    {
        // Every local server is looked for before it is started. On another system, advice to install one would be wrong.
        if (!OperatingSystem.IsLinux())
        {
            throw new LocalServerException("local servers need Linux; on other systems use Aspire's containers (Docker or Podman)");
        }

        if (options.Binary is { Length: > 0 } binary)
        {
            return File.Exists(binary) ? binary : throw new LocalServerException($"{binary} not found");
        }

        var root = RootOf(options);
        if (root is not null && !Directory.Exists(root))
        {
            throw new LocalServerException($"SECKILL_SERVERS_ROOT: {root} not found: run scripts/todays-servers.sh");
        }

        if (root is not null && !Environment.IsPrivilegedProcess)
        {
            throw new LocalServerException($"servers in {root} are run with chroot, which needs root");
        }

        var chosen = Environment.GetEnvironmentVariable(variable);
        if (root is null && chosen is { Length: > 0 })
        {
            return File.Exists(chosen) ? chosen : throw new LocalServerException($"{variable}: {chosen} not found");
        }

        var found = Search(root, names);
        if (found is not null)
        {
            return found;
        }

        var name = string.Join(" or ", names.Where(candidate => !candidate.StartsWith('/')));
        throw new LocalServerException(root is null
            ? $"{name} not found: ./seckill prepare installs it (package {package})"
            : $"{name} not found in {root}: run scripts/todays-servers.sh --refresh");
    }

    /// <summary>The first of the names that exists, or null.</summary>
    public static string? Search(string? root, params string[] names) => names
        .SelectMany(name => name.StartsWith('/') ? [name] : Folders(root).Select(folder => Path.Combine(folder, name)))
        .FirstOrDefault(path => Exists(root, path));

    /// <summary>The folder to chroot into, or null.</summary>
    public static string? RootOf(LocalServerOptions options) =>
        options.ServersRoot is { Length: > 0 } root && options.Binary is null ? Path.GetFullPath(root) : null;

    private static IEnumerable<string> Folders(string? root) => root is not null
        ? UsualFolders
        : (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(':', StringSplitOptions.RemoveEmptyEntries).Concat(UsualFolders);

    // An absolute link inside the root points into the root, not into the machine.
    private static bool Exists(string? root, string path)
    {
        if (root is null)
        {
            return File.Exists(path);
        }

        var inside = new FileInfo(root + path);
        return inside.LinkTarget is { } target && target.StartsWith('/') ? Exists(root, target) : inside.Exists;
    }
}
