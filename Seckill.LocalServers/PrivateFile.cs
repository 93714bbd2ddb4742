namespace Seckill.LocalServers;

/// <summary>Files with passwords in them.</summary>
public static class PrivateFile
{
    /// <summary>Writes a file that only its owner can read; readers see the old content or the new, never a part.</summary>
    public static void Write(string file, string content)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Local servers need Linux; use Aspire's containers on Windows.");
        }

        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        var unfinished = file + ".new";
        File.Delete(unfinished);
        using (var writer = new StreamWriter(unfinished, options))
        {
            writer.Write(content);
        }

        File.Move(unfinished, file, overwrite: true);
    }
}
