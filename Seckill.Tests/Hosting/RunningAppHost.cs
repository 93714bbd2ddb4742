using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;

namespace Seckill.Tests.Hosting;

/// <summary>The real AppHost as a process of its own, with the test's own state folder and ports.</summary>
internal sealed class RunningAppHost : IAsyncDisposable
{
    /// <summary>For a run that ends by itself, from its start on.</summary>
    public const int RunTimeoutMs = 180_000;

    private const int StartTimeoutMs = 180_000;
    private const int StopTimeoutMs = 60_000;

    private readonly Process _process;
    private readonly string _stateFolder;
    private readonly string _dataFolder;
    private readonly ConcurrentQueue<string> _output = new();

    private RunningAppHost(Process process, string stateFolder, string dataFolder)
    {
        _process = process;
        _stateFolder = stateFolder;
        _dataFolder = dataFolder;
        process.OutputDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        process.ErrorDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public string AddressFile => Path.Combine(_stateFolder, "local.json");

    public string Output => string.Join('\n', _output);

    public static RunningAppHost Start(string stateFolder, params string[] arguments) =>
        Start(stateFolder, new Dictionary<string, string>(), arguments);

    public static RunningAppHost Start(string stateFolder, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        // Seckill.Tests/bin/Debug/net10.0 and the AppHost's output have the same shape.
        var mine = AppContext.BaseDirectory.TrimEnd('/');
        var assembly = Path.Combine(mine.Replace("/Seckill.Tests/", "/Seckill.AppHost/", StringComparison.Ordinal), "Seckill.AppHost.dll");
        // A shell's background job ignores SIGINT, and so would everything started from it.
        var start = new ProcessStartInfo(
            "env", ["--default-signal=INT", "dotnet", assembly, "--Servers=local", $"--Local:StateFolder={stateFolder}", .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DOTNET_ENVIRONMENT"] = "Development";
        // The files whose locks claim ports stay, and the user's own folder would get some from every test.
        var dataFolder = Directory.CreateTempSubdirectory("seckill-data-").FullName;
        start.Environment["XDG_DATA_HOME"] = dataFolder;
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return new RunningAppHost(Process.Start(start)!, stateFolder, dataFolder);
    }

    /// <summary>Waits until it has printed a text.</summary>
    public Task WaitForOutputAsync(string text, CancellationToken cancellationToken) => Deadline.UntilAsync(
        () => Task.FromResult(Output), printed => printed.Contains(text, StringComparison.Ordinal) || _process.HasExited, cancellationToken,
        StartTimeoutMs);

    /// <summary>Waits until it says that everything is healthy, and returns the content of <c>local.json</c>.</summary>
    public async Task<JsonElement> WaitUntilUpAsync(CancellationToken cancellationToken)
    {
        // Not the file alone: a killed run leaves one behind.
        await Deadline.UntilAsync(
            () => Task.FromResult(Output.Contains("everything is healthy", StringComparison.Ordinal) || _process.HasExited),
            over => over,
            cancellationToken,
            StartTimeoutMs);
        Assert.False(_process.HasExited, Output);
        using var document = JsonDocument.Parse(await File.ReadAllTextAsync(AddressFile, cancellationToken));
        return document.RootElement.Clone();
    }

    public void Signal(string name) => Signal(name, _process.Id);

    /// <summary>Sends a signal to one of the processes that it has started.</summary>
    public static void Signal(string name, int processId)
    {
        using var kill = Process.Start("kill", [$"-{name}", $"{processId}"]);
        kill.WaitForExit();
    }

    /// <summary>Exit code, once it has ended; by default it has been told to.</summary>
    public async Task<int> WaitForExitAsync(CancellationToken cancellationToken, int timeoutMs = StopTimeoutMs)
    {
        await _process.WaitForExitAsync(cancellationToken).WaitAsync(TimeSpan.FromMilliseconds(timeoutMs), cancellationToken);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_dataFolder, recursive: true);
    }
}
