namespace Seckill.Tests.Model;

/// <summary>The model's source.</summary>
internal static class ModelFiles
{
    public static string Folder { get; } = Path.Combine(Repository.Root, "model");

    public static string Text(string name) => File.ReadAllText(Path.Combine(Folder, name));

    public static string AllText { get; } =
        string.Concat(Directory.EnumerateFiles(Folder, "*.pml").Order(StringComparer.Ordinal).Select(File.ReadAllText));
}
