using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Seckill.AppHost.LocalServers;

/// <summary>
/// One running child process that cannot outlive us: the kernel kills it when we die, even by SIGKILL.
/// It has a session of its own, so that Ctrl-C at the terminal reaches us alone and we choose the order in which to stop.
/// </summary>
internal sealed class ServerProcess : IDisposable
{
    private const int SigTerm = 15;

    // The parent may die before the kernel was told to watch it; then this line ends the child.
    private const string Launch = """
        [ "$PPID" = "$1" ] || exit 1
        exec </dev/null >>"$2" 2>&1
        shift 2
        exec "$@"
        """;

    // The mounts live in a mount namespace of the child's own and vanish with it. The data folder has the same path inside and outside.
    private const string EnterRoot = """
        set -e
        root="$1" data="$2"
        shift 2
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mkdir -p "$root$data"
        mount --bind "$data" "$root$data"
        exec chroot "$root" "$@"
        """;

    // The kernel's parent-death signal fires when the THREAD that forked ends, and pool threads do end. This one never does.
    private static readonly BlockingCollection<Action> Forks = StartForkingThread();

    private readonly Process _process;

    private ServerProcess(Process process)
    {
        _process = process;
        Id = process.Id;
        Exited = WaitAsync(process);
    }

    public int Id { get; }

    /// <summary>Completes with the exit code.</summary>
    public Task<int> Exited { get; }

    /// <summary>Starts a command with nothing of our environment but what is given; output is appended to the log file.</summary>
    /// <param name="command">Binary and arguments.</param>
    /// <param name="environment">The whole environment, PATH and locale apart.</param>
    /// <param name="folder">Working folder; with a root, also the one folder that stays visible in it.</param>
    /// <param name="logFile">Gets standard output and standard error.</param>
    /// <param name="root">Folder to chroot into, or null.</param>
    public static async Task<ServerProcess> StartAsync(
        IReadOnlyList<string> command,
        IReadOnlyDictionary<string, string> environment,
        string folder,
        string logFile,
        string? root)
    {
        var start = new ProcessStartInfo(Tool("setpriv")) { UseShellExecute = false, WorkingDirectory = folder };
        string[] prefix = ["--pdeathsig", "KILL", Tool("setsid"), "/bin/sh", "-c", Launch, "sh", $"{Environment.ProcessId}", logFile];
        string[] enter = root is null ? [] : [Tool("unshare"), "--mount", "/bin/sh", "-c", EnterRoot, "sh", root, folder];
        foreach (var argument in (string[])[.. prefix, .. enter, .. command])
            start.ArgumentList.Add(argument);
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        start.Environment["LC_ALL"] = "C.UTF-8";
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        Forks.Add(() =>
        {
            try
            {
                started.SetResult(Process.Start(start)!);
            }
            catch (Exception exception)
            {
                started.SetException(exception);
            }
        });
        return new ServerProcess(await started.Task);
    }

    /// <summary>SIGKILL to the process and all below it; returns at once.</summary>
    public void Kill()
    {
        if (!Exited.IsCompleted)
            _process.Kill(entireProcessTree: true);
    }

    /// <summary>SIGTERM, and SIGKILL if that was not enough in time; returns when the process is gone.</summary>
    public async Task StopAsync(int timeoutMs, CancellationToken cancellationToken)
    {
        if (!Exited.IsCompleted)
        {
            _ = SendSignal(Id, SigTerm);
            var timeout = Task.Delay(timeoutMs, cancellationToken);
            if (await Task.WhenAny(Exited, timeout) != Exited)
                Kill();
        }

        await Exited;
    }

    public void Dispose() => _process.Dispose();

    private static async Task<int> WaitAsync(Process process)
    {
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    private static string Tool(string name) => ServerBinaries.Search(null, name)
        ?? throw new LocalServerException($"{name} not found: install it with apt-get install util-linux");

    private static BlockingCollection<Action> StartForkingThread()
    {
        var forks = new BlockingCollection<Action>();
        var thread = new Thread(() =>
        {
            foreach (var fork in forks.GetConsumingEnumerable())
                fork();
        })
        {
            IsBackground = true,
            Name = "server processes",
        };
        thread.Start();
        return forks;
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int pid, int signal);
}
