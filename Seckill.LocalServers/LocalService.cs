using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Seckill.LocalServers;

/// <summary>One of our own applications as a child process.</summary>
public sealed class LocalService : IDisposable
{
    private const int ProbeIntervalMs = 100;
    private const int ProbeTimeoutMs = 5_000;

    private readonly ChildCommand _command;

    private ChildProcess _process;

    private LocalService(string name, string url, ChildCommand command, ChildProcess process)
    {
        Name = name;
        Url = url;
        _command = command;
        _process = process;
    }

    public string Name { get; }

    public string Url { get; }

    /// <summary>Changes with a restart.</summary>
    public int ProcessId => _process.Id;

    /// <summary>Completes with the exit code when the current process ends.</summary>
    public Task<int> Exited => _process.Exited;

    /// <summary>Starts an application from its build output, in its project folder as <c>dotnet run</c> does.</summary>
    /// <param name="name">The resource's name, also its OTEL_SERVICE_NAME.</param>
    /// <param name="project">The project's folder, in this checkout or another one; its last part is the assembly's name.</param>
    /// <param name="url">Where it listens.</param>
    /// <param name="environment">Added to our own environment: connection strings and the caller's settings.</param>
    /// <param name="onLine">Called for each line of output, from any thread.</param>
    /// <param name="arguments">Command line arguments.</param>
    /// <exception cref="LocalServerException">It is not built.</exception>
    public static async Task<LocalService> StartAsync(
        string name, string project, string url, IReadOnlyDictionary<string, string> environment, Action<string> onLine,
        params string[] arguments)
    {
        var assembly = Repository.Assembly(project);
        if (!File.Exists(assembly))
        {
            throw new LocalServerException($"{assembly} not found: build the solution first");
        }

        var command = new ChildCommand([DotNet(), assembly, .. arguments], Path.Combine(Repository.Root, project))
        {
            InheritEnvironment = true,
            Environment = EnvironmentOf(name, url, environment),
            OnLine = onLine,
        };
        return new LocalService(name, url, command, await ChildProcess.StartAsync(command));
    }

    /// <summary>Returns once /health answers 200.</summary>
    /// <exception cref="LocalServerException">The process ended, or was not ready in time.</exception>
    public async Task WaitUntilHealthyAsync(int timeoutMs, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        using var http = new HttpClient { BaseAddress = new Uri(Url), Timeout = TimeSpan.FromMilliseconds(ProbeTimeoutMs) };
        var last = "no answer";
        while (Stopwatch.GetElapsedTime(started).TotalMilliseconds < timeoutMs)
        {
            if (Exited.IsCompleted)
            {
                throw new LocalServerException($"{Name} ended with exit code {await Exited} while starting");
            }

            try
            {
                using var response = await http.GetAsync("/health", cancellationToken);
                if (response.IsSuccessStatusCode)
                {
                    return;
                }

                last = $"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync(cancellationToken)}";
            }
            catch (Exception failure) when (failure is HttpRequestException or TaskCanceledException
                && !cancellationToken.IsCancellationRequested)
            {
                last = failure.Message;
            }

            await Task.Delay(ProbeIntervalMs, cancellationToken);
        }

        throw new LocalServerException($"{Name} was not healthy within {timeoutMs} ms; the last answer: {last}");
    }

    /// <summary>
    /// SIGSTOP: the process is frozen until <see cref="Continue"/>. Connections with heartbeats survive it
    /// for a few heartbeats.
    /// </summary>
    public void Pause() => _process.Pause();

    /// <summary>SIGCONT.</summary>
    public void Continue() => _process.Continue();

    /// <summary>SIGKILL; returns at once.</summary>
    public void Kill() => _process.Kill();

    /// <summary>SIGTERM, then SIGKILL after the time-out; returns when the process is gone.</summary>
    public Task StopAsync(int timeoutMs, CancellationToken cancellationToken) => _process.StopAsync(timeoutMs, cancellationToken);

    /// <summary>Restarts it at the same address, after an orderly stop if it still runs.</summary>
    /// <param name="stopTimeoutMs">Maximum time of the orderly stop before the process is killed.</param>
    /// <param name="cancellationToken">Cancels the wait for the stop.</param>
    /// <param name="settings">Environment variables to change from now on.</param>
    public async Task RestartAsync(int stopTimeoutMs, CancellationToken cancellationToken, params (string Name, string Value)[] settings)
    {
        await StopAsync(stopTimeoutMs, cancellationToken);
        _process.Dispose();
        var environment = new Dictionary<string, string>(_command.Environment);
        foreach (var (name, value) in settings)
        {
            environment[name] = value;
        }

        _process = await ChildProcess.StartAsync(_command with { Environment = environment });
    }

    public void Dispose() => _process.Dispose();

    // The dotnet host that runs us.
    internal static string DotNet() => Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../../dotnet"));

    private static Dictionary<string, string> EnvironmentOf(string name, string url, IReadOnlyDictionary<string, string> more)
    {
        // Our own environment, including OTEL_*, is passed on; only the service's own settings are added here.
        var environment = new Dictionary<string, string>
        {
            ["ASPNETCORE_URLS"] = url,
            ["ASPNETCORE_ENVIRONMENT"] = Set("ASPNETCORE_ENVIRONMENT", "DOTNET_ENVIRONMENT") ?? "Development",
            ["OTEL_SERVICE_NAME"] = name,
            ["Logging__Console__FormatterName"] = Set("Logging__Console__FormatterName") ?? "simple",
            ["Logging__Console__FormatterOptions__SingleLine"] = Set("Logging__Console__FormatterOptions__SingleLine") ?? "true",
        };
        foreach (var (variable, value) in more)
        {
            environment[variable] = value;
        }

        return environment;
    }

    private static string? Set(params string[] names) =>
        names.Select(Environment.GetEnvironmentVariable).FirstOrDefault(value => !string.IsNullOrEmpty(value));
}
