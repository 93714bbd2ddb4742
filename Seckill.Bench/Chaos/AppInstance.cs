using Seckill.LocalServers;

namespace Seckill.Bench.Chaos;

/// <summary>One instance of an application: always at the same address, in one process after the other.</summary>
internal sealed class AppInstance(string name, string project, IReadOnlyDictionary<string, string> environment, ChaosLog log)
{
    private const int StopTimeoutMs = 30_000;

    private LocalService? _process;

    public string Url { get; } = $"http://127.0.0.1:{LoopbackPorts.Take()}";

    public async Task StartAsync(string? crashAt = null)
    {
        var mine = new Dictionary<string, string>(environment);
        if (crashAt is not null)
        {
            mine["SECKILL_CRASH_AT"] = crashAt;
        }

        _process = await LocalService.StartAsync(name, project, Url, mine, line => log.Write(name, line));
    }

    /// <summary>Starts it again when the old process, which was killed, is gone.</summary>
    public async Task StartAgainAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    /// <summary>Starts it if it does not run.</summary>
    public Task StartIfEndedAsync() => _process is { Exited.IsCompleted: true } ? StartAgainAsync() : Task.CompletedTask;

    public Task WaitUntilHealthyAsync(int timeoutMs, CancellationToken cancellationToken) =>
        _process!.WaitUntilHealthyAsync(timeoutMs, cancellationToken);

    /// <summary>Waits, but not for ever: its servers may be away.</summary>
    public async Task TryWaitUntilHealthyAsync(int patienceMs, CancellationToken cancellationToken)
    {
        try
        {
            await WaitUntilHealthyAsync(patienceMs, cancellationToken);
        }
        catch (LocalServerException impatience)
        {
            log.Write("chaos", impatience.Message);
        }
    }

    /// <summary>SIGKILL.</summary>
    public void Kill() => _process?.Kill();

    /// <summary>SIGTERM, and SIGKILL if that was not enough; returns when the process is gone.</summary>
    public async Task StopAsync()
    {
        if (_process is { } process)
        {
            await process.StopAsync(StopTimeoutMs, CancellationToken.None);
            process.Dispose();
            _process = null;
        }
    }
}
