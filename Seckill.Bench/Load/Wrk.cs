using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Seckill.Bench.Load;

/// <summary>
/// The same closed loop run by <c>wrk</c> (Will Glozer), where it is installed: if our own load generator were the limit, the two would
/// differ.
/// </summary>
public static class Wrk
{
    /// <summary>Requests that its script takes in turn.</summary>
    private const int RequestCountMax = 2_000;

    /// <summary>How much longer than requested it may take, ms.</summary>
    private const int StallTimeoutMs = 30_000;

    /// <summary>The program; null where it is not installed.</summary>
    public static string? Find() => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, "wrk")).FirstOrDefault(File.Exists);

    /// <summary>Runs it with one thread.</summary>
    /// <param name="wrk">The program.</param>
    /// <param name="address">The service.</param>
    /// <param name="requests">Taken in turn, and again from the start.</param>
    /// <param name="connections">Keep-alive connections.</param>
    /// <param name="duration">Whole seconds.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="InvalidOperationException">It failed; the message has its output.</exception>
    public static async Task<WrkResult> RunAsync(
        string wrk, Uri address, IEnumerable<byte[]> requests, int connections, TimeSpan duration, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(duration + TimeSpan.FromMilliseconds(StallTimeoutMs));
        var script = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(script, ScriptOf(requests.Take(RequestCountMax)), deadline.Token);
            var seconds = string.Create(CultureInfo.InvariantCulture, $"{duration.TotalSeconds:0}s");
            var start = new ProcessStartInfo(
                wrk, ["-t1", $"-c{connections}", $"-d{seconds}", "-s", script, "--latency", address.GetLeftPart(UriPartial.Authority)])
            {
                RedirectStandardOutput = true,
            };
            using var process = Process.Start(start)!;
            try
            {
                var output = await process.StandardOutput.ReadToEndAsync(deadline.Token);
                await process.WaitForExitAsync(deadline.Token);
                return WrkResult.Parse(output) ?? throw new InvalidOperationException($"wrk ended with {process.ExitCode}: {output}");
            }
            finally
            {
                process.Kill();
            }
        }
        finally
        {
            File.Delete(script);
        }
    }

    private static string ScriptOf(IEnumerable<byte[]> requests)
    {
        var script = new StringBuilder("local requests = {\n");
        foreach (var request in requests)
        {
            var quoted = Encoding.ASCII.GetString(request).Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\r\n", "\\r\\n");
            script.Append('"').Append(quoted).Append("\",\n");
        }

        return script.Append("}\nlocal i = 0\nrequest = function() i = i % #requests + 1; return requests[i] end\n").ToString();
    }
}
