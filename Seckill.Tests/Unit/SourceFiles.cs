namespace Seckill.Tests.Unit;

/// <summary>The repository's hand-written source.</summary>
internal static class SourceFiles
{
    /// <summary>All files with one of these extensions, as paths from the repository's root.</summary>
    public static IReadOnlyList<string> With(params string[] extensions) =>
        [.. Under(Repository.Root).Where(file => extensions.Contains(Path.GetExtension(file)))
            .Select(file => Path.GetRelativePath(Repository.Root, file))];

    public static IEnumerable<string> LinesOf(string path) => File.ReadLines(Path.Combine(Repository.Root, path));

    private static IEnumerable<string> Under(string folder) =>
        Directory.EnumerateFiles(folder).Concat(Directory.EnumerateDirectories(folder).Where(IsOurs).SelectMany(Under));

    /// <summary>Hidden folders hold state and tools; the others are written by the build and by Entity Framework.</summary>
    private static bool IsOurs(string folder) =>
        Path.GetFileName(folder) is var name && !name.StartsWith('.') && name is not ("bin" or "obj" or "Migrations");
}
