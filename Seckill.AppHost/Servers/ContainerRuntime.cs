using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Configuration;

namespace Seckill.AppHost.Servers;

internal static class ContainerRuntime
{
    private const int TimeoutMs = 10_000;

    /// <summary>The settings by which Aspire itself chooses a runtime, in its order: the second is the older name.</summary>
    private static readonly string[] Names = ["ASPIRE_CONTAINER_RUNTIME", "DOTNET_ASPIRE_CONTAINER_RUNTIME"];

    /// <summary>True when the runtime that Aspire would use answers.</summary>
    public static bool Answers(IConfiguration configuration) =>
        Names.Select(name => configuration[name]).FirstOrDefault(value => value is { Length: > 0 }) is { } chosen
            ? Answers(chosen)
            : Answers("docker") || Answers("podman");

    private static bool Answers(string runtime)
    {
        try
        {
            using var process =
                Process.Start(new ProcessStartInfo(runtime, ["info"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            process.OutputDataReceived += (_, _) => { };
            process.BeginOutputReadLine();
            if (process.WaitForExit(TimeoutMs))
            {
                return process.ExitCode == 0;
            }

            process.Kill();
        }
        catch (Win32Exception)
        {
            // not installed
        }

        return false;
    }
}
