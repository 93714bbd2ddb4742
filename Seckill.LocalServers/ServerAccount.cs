using System.Globalization;
using System.Runtime.InteropServices;

namespace Seckill.LocalServers;

/// <summary>
/// The unprivileged account that a server runs under if root starts it, so that a vulnerability in a server does not expose the machine.
/// </summary>
internal sealed record ServerAccount(string Name, uint UserId, uint GroupId)
{
    private const string Accounts = "/etc/passwd";

    /// <summary>Used if no package has created an account for the server.</summary>
    private const string Nobody = "nobody";

    private const uint Unchanged = uint.MaxValue;

    /// <summary>
    /// Null if we are not root, or if the account cannot reach the folder or run the binary, for example below <c>/root</c>.
    /// </summary>
    public static ServerAccount? For(string server, string folder, string binary) =>
        Environment.IsPrivilegedProcess && OthersPassTo(folder) && OthersPassTo(binary)
        && PrivateFile.ModeOf(binary).HasFlag(UnixFileMode.OtherExecute)
            ? Find(server) ?? Find(Nobody)
            : null;

    /// <summary>Gives a file or an empty folder to the account; does not follow links.</summary>
    public void Own(string path) => ChangeOwner(path, UserId, GroupId);

    /// <summary>Lets the account pass through the folder to its own files there, but not list or change the folder.</summary>
    public void PassThrough(string folder)
    {
        ChangeOwner(folder, Unchanged, GroupId);
        PrivateFile.SetMode(folder, PrivateFile.OwnersFolder | UnixFileMode.GroupExecute);
    }

    private static bool OthersPassTo(string folder)
    {
        for (var parent = Directory.GetParent(folder); parent is not null; parent = parent.Parent)
        {
            if (parent.Exists && !PrivateFile.ModeOf(parent.FullName).HasFlag(UnixFileMode.OtherExecute))
            {
                return false;
            }
        }

        return true;
    }

    private static ServerAccount? Find(string name) => File.ReadLines(Accounts)
        .Select(line => line.Split(':'))
        .Where(fields => fields.Length > 3 && fields[0] == name)
        .Select(fields => new ServerAccount(
            name, uint.Parse(fields[2], CultureInfo.InvariantCulture), uint.Parse(fields[3], CultureInfo.InvariantCulture)))
        .FirstOrDefault(account => account is { UserId: > 0, GroupId: > 0 });

    private static void ChangeOwner(string path, uint user, uint group)
    {
        if (LinkChown(path, user, group) != 0)
        {
            throw new LocalServerException($"cannot change the owner of {path}: error {Marshal.GetLastPInvokeError()}");
        }
    }

    [DllImport("libc", EntryPoint = "lchown", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int LinkChown([MarshalAs(UnmanagedType.LPUTF8Str)] string path, uint owner, uint group);
}
