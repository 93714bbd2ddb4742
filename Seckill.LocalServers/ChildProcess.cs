using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Seckill.LocalServers;

/// <summary>The command to start. The first argument is the binary.</summary>
internal sealed record ChildCommand(IReadOnlyList<string> Arguments, string Folder)
{
    /// <summary>Added to our own environment if that is inherited; otherwise the whole environment, except PATH and locale.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    public bool InheritEnvironment { get; init; }

    /// <summary>Standard output and standard error are appended to this file; without a file they go to <see cref="OnLine"/>.</summary>
    public string? LogFile { get; init; }

    /// <summary>Called for each line of output, from any thread.</summary>
    public Action<string>? OnLine { get; init; }

    /// <summary>Folder to chroot into; the working folder is the only outside folder that stays visible in it.</summary>
    public string? Root { get; init; }

    /// <summary>The account that it runs as; null for ours.</summary>
    public ServerAccount? Account { get; init; }
}

/// <summary>
/// One running child process that cannot outlive us: the kernel kills it when we die, even by SIGKILL.
/// It has a session of its own, so that Ctrl-C at the terminal reaches us alone and we choose the order in which to stop.
/// </summary>
internal sealed class ChildProcess : IDisposable
{
    private const int SigTerm = 15;
    private const int SigContinue = 18;
    private const int SigStop = 19;

    // The parent may die before the kernel is told to watch it; then this line ends the child.
    private const string Launch = """
        [ "$PPID" = "$1" ] || exit 1
        exec </dev/null
        [ -z "$2" ] || { umask 077 && exec >>"$2" 2>&1; }
        shift 2
        exec "$@"
        """;

    // The mounts exist only in the child's own mount namespace and vanish with it. The data folder has the same path inside and outside.
    private const string EnterRoot = """
        set -e
        root="$1" data="$2"
        shift 2
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mkdir -p "$root$data"
        mount --bind "$data" "$root$data"
        exec chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$data" "$@"
        """;

    // A change of account clears the parent-death signal, so it is set again; and again the parent may be dead by then.
    private const string Drop = """
        [ "$PPID" = "$1" ] || exit 1
        shift
        exec "$@"
        """;

    // The parent-death signal fires when the THREAD that forked ends, and pool threads do end. This one never does.
    private static readonly BlockingCollection<Action> Forks = StartForkingThread();

    private readonly Process _process;

    private ChildProcess(Process process)
    {
        _process = process;
        Id = process.Id;
        Exited = WaitAsync(process);
    }

    public int Id { get; }

    /// <summary>Completes with the exit code.</summary>
    public Task<int> Exited { get; }

    public static async Task<ChildProcess> StartAsync(ChildCommand command)
    {
        var start = StartInfo(command);
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
        var process = await started.Task;
        if (command.OnLine is { } onLine)
        {
            DataReceivedEventHandler forward = (_, line) =>
            {
                if (line.Data is { } text)
                {
                    onLine(text);
                }
            };
            process.OutputDataReceived += forward;
            process.ErrorDataReceived += forward;
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        return new ChildProcess(process);
    }

    /// <summary>SIGKILL to the process and its descendants; returns at once.</summary>
    public void Kill()
    {
        if (!Exited.IsCompleted)
        {
            _process.Kill(entireProcessTree: true);
        }
    }

    /// <summary>SIGSTOP, until <see cref="Continue"/>.</summary>
    public void Pause() => Signal(SigStop);

    public void Continue() => Signal(SigContinue);

    /// <summary>SIGTERM, then SIGKILL after the time-out; returns when the process is gone.</summary>
    public async Task StopAsync(int timeoutMs, CancellationToken cancellationToken)
    {
        if (!Exited.IsCompleted)
        {
            Signal(SigTerm);
            var timeout = Task.Delay(timeoutMs, cancellationToken);
            if (await Task.WhenAny(Exited, timeout) != Exited)
            {
                Kill();
            }
        }

        await Exited;
    }

    public void Dispose() => _process.Dispose();

    private void Signal(int signal)
    {
        if (!Exited.IsCompleted)
        {
            _ = SendSignal(Id, signal);
        }
    }

    private static ProcessStartInfo StartInfo(ChildCommand command)
    {
        var start = new ProcessStartInfo(Tool("setpriv"))
        {
            UseShellExecute = false,
            WorkingDirectory = command.Folder,
            RedirectStandardOutput = command.OnLine is not null,
            RedirectStandardError = command.OnLine is not null,
        };
        string[] prefix =
            ["--pdeathsig", "KILL", Tool("setsid"), "/bin/sh", "-c", Launch, "sh", $"{Environment.ProcessId}", command.LogFile ?? ""];
        string[] enter = command.Root is null
            ? []
            : [Tool("unshare"), "--mount", "/bin/sh", "-c", EnterRoot, "sh", command.Root, command.Folder];
        string[] drop = command.Account is not { } account
            ? []
            : ["setpriv", $"--reuid={account.UserId}", $"--regid={account.GroupId}", "--clear-groups", "--no-new-privs",
                "--pdeathsig", "KILL", "/bin/sh", "-c", Drop, "sh", $"{Environment.ProcessId}"];
        foreach (var argument in (string[])[.. prefix, .. enter, .. drop, .. command.Arguments])
        {
            start.ArgumentList.Add(argument);
        }

        if (!command.InheritEnvironment)
        {
            start.Environment.Clear();
            start.Environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
            start.Environment["LC_ALL"] = "C.UTF-8";
        }

        foreach (var (name, value) in command.Environment)
        {
            start.Environment[name] = value;
        }

        return start;
    }

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
            {
                fork();
            }
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
