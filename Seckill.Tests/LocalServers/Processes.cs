namespace Seckill.Tests.LocalServers;

/// <summary>The processes that really run on this machine, from <c>/proc</c>.</summary>
internal static class Processes
{
    /// <summary>Ids of the processes, zombies apart, whose arguments or environment contain the text; never our own.</summary>
    public static IReadOnlyList<int> Mentioning(string text) =>
    [
        .. Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), out var id) ? id : 0)
            .Where(id => id > 0 && id != Environment.ProcessId
                && (Read(id, "cmdline").Contains(text, StringComparison.Ordinal)
                    || Read(id, "environ").Contains(text, StringComparison.Ordinal))),
    ];

    public static bool Exists(int id) => Directory.Exists($"/proc/{id}") && !Read(id, "stat").Contains(") Z ", StringComparison.Ordinal);

    private static string Read(int id, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/{file}");
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
