using System.Diagnostics;
using System.Security.Cryptography;

namespace Seckill.LocalServers;

/// <summary>
/// A private server instance on 127.0.0.1 with its own data folder, port and password. It dies with the process that started it,
/// and never touches a server that already runs on the machine.
/// </summary>
public abstract class LocalServer : IAsyncDisposable
{
    private const int ProbeIntervalMs = 100;
    private const int ProbeTimeoutMs = 5_000;

    // A child forked by another thread during a port probe holds the probing socket until its exec.
    private const int PortWaitMs = 3_000;
    private const int LogTailLines = 20;

    private readonly LocalServerOptions _options;
    private readonly List<ChildProcess> _processes = [];
    private readonly ServerAccount? _account;

    private protected LocalServer(string name, LocalServerOptions options, string binary)
    {
        Name = name;
        _options = options;
        DataFolder = options.DataFolder is { } folder
            ? Path.GetFullPath(folder)
            : Directory.CreateTempSubdirectory($"seckill-{name}-").FullName;
        PrivateFile.CreateFolder(DataFolder);
        PrivateFile.SetMode(DataFolder, PrivateFile.OwnersFolder);
        Root = ServerBinaries.RootOf(options);
        _account = ServerAccount.For(name, DataFolder, Root + binary);
        _account?.PassThrough(DataFolder);
        LogFile = Path.Combine(DataFolder, "server.log");
        Port = options.Port ?? LoopbackPorts.Take();
        Password = options.Password ?? KeptPassword();
    }

    /// <summary>The resource's name: redis, rabbitmq or mysql.</summary>
    public string Name { get; }

    /// <summary>The folder for everything that this instance writes.</summary>
    public string DataFolder { get; }

    /// <summary>The server's output. Each start begins a new file and keeps the previous one as <c>server.log.1</c>.</summary>
    public string LogFile { get; }

    public int Port { get; }

    /// <summary>The connection string in the form that the services expect.</summary>
    public abstract string ConnectionString { get; }

    /// <summary>As reported by the running server.</summary>
    public string Version { get; private set; } = "";

    /// <summary>The account that it runs under: not ours if we are root and the other account can reach the data.</summary>
    public string Account => _account?.Name ?? Environment.UserName;

    /// <summary>Process id of the server; changes with a restart.</summary>
    public int ProcessId => Server.Id;

    /// <summary>Completes with the exit code when the current process ends.</summary>
    public Task<int> Exited => Server.Exited;

    private protected string Password { get; }

    private protected string? Root { get; }

    // The server's own files, separate from ours.
    private protected string ServerFolder => Path.Combine(DataFolder, "data");

    private ChildProcess Server => _processes.Count > 0
        ? _processes[^1]
        : throw new InvalidOperationException($"{Name} is not running");

    /// <summary>SIGKILL to the server and its descendants, as in a crash. Returns at once.</summary>
    public void Kill()
    {
        foreach (var process in Enumerable.Reverse(_processes))
        {
            process.Kill();
        }
    }

    /// <summary>
    /// SIGSTOP to every process of this instance: connections stay open and nothing answers, until <see cref="Continue"/>.
    /// </summary>
    public void Pause()
    {
        foreach (var process in _processes)
        {
            process.Pause();
        }
    }

    /// <summary>SIGCONT.</summary>
    public void Continue()
    {
        foreach (var process in _processes)
        {
            process.Continue();
        }
    }

    /// <summary>Whether its process is running.</summary>
    public bool Runs => _processes.Count > 0 && !Exited.IsCompleted;

    /// <summary>Starts the server again on the same data folder and port, after an orderly stop if it still runs.</summary>
    /// <exception cref="LocalServerException">It did not answer within the start time-out.</exception>
    public async Task RestartAsync(CancellationToken cancellationToken = default)
    {
        await StopAsync(cancellationToken);
        await BootAsync(cancellationToken);
    }

    /// <summary>Connects to the server as a client.</summary>
    public Task CheckAsync(CancellationToken cancellationToken) => ProbeAsync(cancellationToken);

    /// <summary>Orderly stop, bounded; then kill. Returns when every process of this instance is gone.</summary>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        foreach (var process in Enumerable.Reverse(_processes))
        {
            await process.StopAsync(_options.StopTimeoutMs, cancellationToken);
            process.Dispose();
        }

        _processes.Clear();
    }

    /// <summary>Stops the server, and deletes the data folder if it was a temporary one.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None);
        if (_options.DataFolder is null && Directory.Exists(DataFolder))
        {
            Directory.Delete(DataFolder, recursive: true);
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Starts the processes through <see cref="RunAsync"/>; the last one is the server.</summary>
    private protected abstract Task LaunchAsync(CancellationToken cancellationToken);

    /// <summary>Connects to the server as a client and returns its version; throws while it is not ready.</summary>
    private protected abstract Task<string> ProbeAsync(CancellationToken cancellationToken);

    private protected static async Task<T> StartedAsync<T>(T server, CancellationToken cancellationToken)
        where T : LocalServer
    {
        try
        {
            if (File.Exists(server.LogFile))
            {
                File.Move(server.LogFile, server.LogFile + ".1", overwrite: true);
            }

            await server.BootAsync(cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    private protected async Task<ChildProcess> RunAsync(IReadOnlyList<string> command, IReadOnlyDictionary<string, string> environment)
    {
        var process = await ChildProcess.StartAsync(
            new ChildCommand(command, DataFolder) { Environment = environment, LogFile = LogFile, Root = Root, Account = _account });
        _processes.Add(process);
        return process;
    }

    /// <summary>Runs a command to completion in the server's environment.</summary>
    private protected Task RunToEndAsync(
        IReadOnlyList<string> command, IReadOnlyDictionary<string, string> environment, CancellationToken cancellationToken) =>
        RunToEndAsync(
            new ChildCommand(command, DataFolder) { Environment = environment, LogFile = LogFile, Root = Root, Account = _account },
            cancellationToken);

    /// <summary>Writes a file that only the server can read into one of our folders.</summary>
    private protected void WriteForServer(string file, string content) => PrivateFile.Write(file, content, _account);

    /// <summary>Gives a folder, empty or not, to the server and closes it to all others: older versions left it open.</summary>
    private protected async Task GiveToServerAsync(string folder, CancellationToken cancellationToken)
    {
        const string Give = """
            set -e
            owner="$(stat -c %u "$1")"
            [ "$owner" != "$2" ] || [ "$(stat -c %a "$1")" != 700 ] || exit 0
            [ "$owner" = "$2" ] || chown -R -h -P "$2:$3" "$1"
            chmod -R go= "$1"
            """;
        Directory.CreateDirectory(folder);
        string[] command = _account is { } account
            ? ["/bin/sh", "-c", Give, "sh", folder, $"{account.UserId}", $"{account.GroupId}"]
            : ["/bin/chmod", "-R", "go=", folder];
        await RunToEndAsync(new ChildCommand(command, DataFolder) { LogFile = LogFile }, cancellationToken);
    }

    private async Task RunToEndAsync(ChildCommand command, CancellationToken cancellationToken)
    {
        using var process = await ChildProcess.StartAsync(command);
        try
        {
            var exitCode = await process.Exited.WaitAsync(TimeSpan.FromMilliseconds(_options.StartTimeoutMs), cancellationToken);
            if (exitCode != 0)
            {
                throw new LocalServerException($"{command.Arguments[0]} ended with exit code {exitCode}{LogTail()}");
            }
        }
        finally
        {
            process.Kill();
        }
    }

    private async Task BootAsync(CancellationToken cancellationToken)
    {
        await WaitUntilPortIsFreeAsync(cancellationToken);
        try
        {
            await GiveToServerAsync(ServerFolder, cancellationToken);
            await LaunchAsync(cancellationToken);
            Version = await WaitUntilHealthyAsync(cancellationToken);
        }
        catch
        {
            Kill();
            await StopAsync(CancellationToken.None);
            throw;
        }
    }

    /// <summary>Another server may be using this port; it must not be mistaken for ours.</summary>
    private async Task WaitUntilPortIsFreeAsync(CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        while (!LoopbackPorts.IsFree(Port))
        {
            if (Stopwatch.GetElapsedTime(started).TotalMilliseconds >= PortWaitMs)
            {
                throw new LocalServerException($"{Name}: port {Port} on 127.0.0.1 is taken");
            }

            await Task.Delay(ProbeIntervalMs, cancellationToken);
        }
    }

    private async Task<string> WaitUntilHealthyAsync(CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        Exception? lastFailure = null;
        while (Stopwatch.GetElapsedTime(started).TotalMilliseconds < _options.StartTimeoutMs)
        {
            if (Exited.IsCompleted)
            {
                throw new LocalServerException($"{Name} ended with exit code {await Exited} while starting{LogTail()}");
            }

            using var probe = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            probe.CancelAfter(ProbeTimeoutMs);
            try
            {
                return await ProbeAsync(probe.Token);
            }
            catch (Exception failure) when (!cancellationToken.IsCancellationRequested)
            {
                lastFailure = failure;
            }

            await Task.Delay(ProbeIntervalMs, cancellationToken);
        }

        throw new LocalServerException($"{Name} did not answer within {_options.StartTimeoutMs} ms{LogTail()}", lastFailure!);
    }

    private string LogTail() => File.Exists(LogFile)
        ? $"; the end of {LogFile}:\n{string.Join('\n', File.ReadLines(LogFile).TakeLast(LogTailLines))}"
        : "";

    private string KeptPassword()
    {
        var file = Path.Combine(DataFolder, "password");
        if (File.Exists(file))
        {
            return File.ReadAllText(file);
        }

        var password = RandomNumberGenerator.GetHexString(24, lowercase: true);
        PrivateFile.Write(file, password);
        return password;
    }
}
