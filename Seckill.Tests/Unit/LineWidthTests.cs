using System.Globalization;
using System.Text.RegularExpressions;

namespace Seckill.Tests.Unit;

/// <summary>No line of the source is wider than <c>.editorconfig</c> allows; generated files are exempt.</summary>
[Trait("Category", "Quick")]
public sealed class LineWidthTests
{
    private static int WidthMax => int.Parse(
        Regex.Match(File.ReadAllText(Path.Combine(Repository.Root, ".editorconfig")), @"^max_line_length = (\d+)$", RegexOptions.Multiline)
            .Groups[1].Value,
        CultureInfo.InvariantCulture);

    [Fact]
    public void No_line_is_too_wide()
    {
        var files = SourceFiles.With(".cs", ".razor", ".js", ".css", ".html", ".lua", ".sh");
        var wide = files.SelectMany(file => TooWide(file, SourceFiles.LinesOf(file), WidthMax)).ToList();

        Assert.NotEmpty(files);
        Assert.True(wide.Count == 0, string.Join(Environment.NewLine, wide));
    }

    [Fact]
    public void Characters_are_counted_and_file_and_line_are_named() =>
        Assert.Equal(
            ["Gate/Wide.cs:2 has 5 characters", "Gate/Wide.cs:4 has 6 characters"],
            TooWide("Gate/Wide.cs", ["1234", "12345", "限时秒杀", "限时秒杀一次"], widthMax: 4));

    private static IEnumerable<string> TooWide(string path, IEnumerable<string> lines, int widthMax) =>
        lines.Select((line, i) => (line.Length, Number: i + 1)).Where(line => line.Length > widthMax)
            .Select(line => $"{path}:{line.Number} has {line.Length} characters");
}
