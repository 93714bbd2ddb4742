namespace Seckill.LocalServers;

/// <summary>
/// Files and folders that only their owner may read: passwords, orders, logs. Windows has no such modes; there, a folder inherits the
/// rights of the one that it is in.
/// </summary>
public static class PrivateFile
{
    internal const UnixFileMode OwnersFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>
    /// Mode of a folder that contains private ones. Servers started by root run under accounts of their own, which must be able to pass
    /// through it; if we are not root, no other account needs to.
    /// </summary>
    internal static UnixFileMode WayMode => Environment.IsPrivilegedProcess
        ? OwnersFolder | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute
        : OwnersFolder;

    /// <summary>
    /// Creates a folder whose content nobody else can read, list or change, or removes those rights from an existing one. Folders
    /// below it may still be passed through and must be private themselves.
    /// </summary>
    public static void MakeFolder(string folder)
    {
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

    /// <summary>Creates a folder and its missing parents; an existing one stays as it is.</summary>
    internal static void CreateFolder(string folder)
    {
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

    /// <summary>Writes a file that only its owner can read; readers see either the old or the new content, never a part.</summary>
    public static void Write(string file, string content) => Write(file, content, account: null);

    /// <summary>The same for a file that already belongs to an account when it appears under its name.</summary>
    internal static void Write(string file, string content, ServerAccount? account)
    {
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
