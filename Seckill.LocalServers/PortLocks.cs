namespace Seckill.LocalServers;

/// <summary>
/// Claims on ports. A service listens up to a minute after its port was chosen, and another run must not choose the same one meanwhile. A
/// claim is a locked file; the kernel releases the lock however the process ends. The file stays: if it were deleted, one process could
/// lock the deleted file and another one its successor.
/// </summary>
/// <param name="folder">Holds the files; it is created when it is needed.</param>
internal sealed class PortLocks(string folder) : IDisposable
{
    private readonly List<FileStream> _held = [];

    /// <summary>One folder for all checkouts of a user.</summary>
    public static string UsersFolder =>
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify)
            is { Length: > 0 } data
            ? Path.Combine(data, "seckill", "ports")
            : Path.Combine(Path.GetTempPath(), $"seckill-{Environment.UserName}", "ports");

    /// <summary>Locks the port until this process ends.</summary>
    /// <returns>False when another holder has the lock.</returns>
    public bool TryTake(int port)
    {
        var file = Path.Combine(folder, $"{port}.lock");
        try
        {
            PrivateFile.CreateFolder(folder);
            PrivateFile.SetMode(folder, PrivateFile.OwnersFolder);
            _held.Add(new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            return true;
        }
        catch (IOException) when (File.Exists(file))
        {
            return false;
        }
        catch (Exception unusable) when (unusable is IOException or UnauthorizedAccessException)
        {
            // The user may have no home, or one that cannot be written. Two runs that start at once are rare, so such a user's runs go
            // without locks.
            return true;
        }
    }

    /// <summary>Releases the locks.</summary>
    public void Dispose() => _held.ForEach(held => held.Dispose());
}
