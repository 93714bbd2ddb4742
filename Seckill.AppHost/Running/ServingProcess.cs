using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Seckill.LocalServers;

namespace Seckill.AppHost.Running;

/// <summary>
/// Aspire starts a project with <c>dotnet run</c>, so the process id that it reports is that of the serving process's parent.
/// </summary>
internal static class ServingProcess
{
    private const string LauncherArgument = "--project";

    /// <summary>The process below a launcher; the process itself if it is not a launcher, or if that is unknown.</summary>
    public static int Of(int processId) =>
        Read(processId, "cmdline").Contains(LauncherArgument, StringComparison.Ordinal)
        && int.TryParse(Read(processId, $"task/{processId}/children").Split(' ')[0], CultureInfo.InvariantCulture, out var child)
            ? child
            : processId;

    /// <summary>Kills a process of this checkout, and those below it, if it still runs.</summary>
    /// <returns>True when it did.</returns>
    public static bool Kill(int processId)
    {
        // The process id may have been reused by now.
        if (!Read(processId, "cmdline").Contains(Repository.Root + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            return false;
        }

        try
        {
            using var process = Process.GetProcessById(processId);
            process.Kill(entireProcessTree: true);
            return true;
        }
        catch (ArgumentException)
        {
            // It has ended by itself in the meantime.
            return false;
        }
        catch (Exception failure) when (failure is InvalidOperationException or Win32Exception or AggregateException)
        {
            Terminal.Say(string.Create(CultureInfo.InvariantCulture, $"process {processId} could not be killed: {failure.Message}"));
            return false;
        }
    }

    private static string Read(int processId, string file)
    {
        try
        {
            return File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/{file}"));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
