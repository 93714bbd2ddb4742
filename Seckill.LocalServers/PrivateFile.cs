namespace Seckill.LocalServers;

/// <summary>Files and folders that are nobody else's business: passwords, orders, logs.</summary>
public static class PrivateFile
{
    internal const UnixFileMode OwnersFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>
    /// Of a folder that holds private ones. The servers that root starts run under accounts of their own, which have to pass; where we are
    /// not root, nobody has to.
    /// </summary>
    internal static UnixFileMode WayMode => Environment.IsPrivilegedProcess
        ? OwnersFolder | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute
        : OwnersFolder;

    /// <summary>
    /// Makes a folder whose content nobody else can read, list or change, and takes those rights away where it is there already. Folders
    /// below it keep their passage, and have to be private themselves.
    /// </summary>
    public static void MakeFolder(string folder)
    {
        RequireLinux();
        CreateFolder(folder);
        SetMode(folder, WayMode);
        foreach (var inside in Directory.EnumerateDirectories(folder))
        {
            SetMode(inside, ModeOf(inside) & WayMode);
        }

        foreach (var inside in Directory.EnumerateFiles(folder))
        {
            SetMode(inside, ModeOf(inside) & OwnersFolder);
        }
    }

    /// <summary>Makes a folder and the missing ones above it; one that is there stays as it is.</summary>
    internal static void CreateFolder(string folder)
    {
        RequireLinux();
        if (Directory.Exists(folder))
        {
            return;
        }

        if (Directory.GetParent(folder) is { } parent)
        {
            CreateFolder(parent.FullName);
        }

        Directory.CreateDirectory(folder);
        SetMode(folder, WayMode);
    }

    internal static UnixFileMode ModeOf(string path) =>
        OperatingSystem.IsWindows() ? UnixFileMode.None : File.GetUnixFileMode(path);

    internal static void SetMode(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, mode);
        }
    }

    private static void RequireLinux()
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Local servers need Linux; use Aspire's containers on Windows.");
        }
    }

    /// <summary>Writes a file that only its owner can read; readers see the old content or the new, never a part.</summary>
    public static void Write(string file, string content) => Write(file, content, account: null);

    /// <summary>The same for a file that an account shall own from the moment that it bears its name.</summary>
    internal static void Write(string file, string content, ServerAccount? account)
    {
        RequireLinux();

        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnersFile;
        }

        var unfinished = file + ".new";
        File.Delete(unfinished);
        using (var writer = new StreamWriter(unfinished, options))
        {
            writer.Write(content);
        }

        account?.Own(unfinished);
        File.Move(unfinished, file, overwrite: true);
    }
}
