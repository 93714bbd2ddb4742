using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Seckill.Tests.Documents;

/// <summary>The two READMEs stay short, the other documents keep to one line width, and the version is in one place.</summary>
[Trait("Category", "Quick")]
public sealed partial class ReadmeTests
{
    private const int ReadmeLinesMax = 130;
    private const int ReadmeWidthMax = 110;
    private const int WidthMax = 140;
    private const int DecisionsMax = 15;

    private static IEnumerable<MarkdownFile> Readmes => [MarkdownFile.Of("README.md"), MarkdownFile.Of("README.zh-CN.md")];

    [Fact]
    public void A_README_is_short() =>
        Assert.Equal(
            [],
            Readmes.Where(file => Lines(file).Length > ReadmeLinesMax).Select(file => $"{file.Path} has {Lines(file).Length} lines"));

    [Fact]
    public void No_line_is_too_wide() =>
        Assert.Equal(
            [],
            Readmes.SelectMany(file => TooWide(file, Lines(file), ReadmeWidthMax))
                // Elsewhere tables and printed output may be wider.
                .Concat(MarkdownFile.All.SelectMany(file => TooWide(file, file.WithoutFences.Split('\n').Select(Prose), WidthMax))));

    [Fact]
    public void Both_languages_have_the_same_parts() =>
        Assert.Single(Readmes.Select(file => Shape(file)).Distinct());

    [Fact]
    public void The_decisions_are_few() =>
        Assert.InRange(MarkdownFile.All.Count(file => file.Path.StartsWith("docs/decisions/0", StringComparison.Ordinal)
            || file.Path.StartsWith("docs/decisions/1", StringComparison.Ordinal)), 1, DecisionsMax);

    [Fact]
    public void The_changelog_begins_with_the_version_that_is_built()
    {
        var version = XDocument.Load(Path.Combine(Repository.Root, "Directory.Build.props")).Descendants("VersionPrefix").Single().Value;
        Assert.Equal(version, Released().Match(MarkdownFile.Of("CHANGELOG.md").Text).Groups[1].Value);
    }

    private static string Prose(string line) => line.StartsWith('|') || line.StartsWith("- ![", StringComparison.Ordinal) ? "" : line;

    /// <summary>Counts of headings, table rows, links to files and fences.</summary>
    private static string Shape(MarkdownFile file) => string.Join(
        ' ',
        new[]
        {
            Lines(file).Count(line => line.StartsWith('#')), Lines(file).Count(line => line.StartsWith('|')), file.Links.Count(),
            file.Commands.Count(),
        }.Select(count => count.ToString(CultureInfo.InvariantCulture)));

    private static string[] Lines(MarkdownFile file) => file.Text.TrimEnd('\n').Split('\n');

    private static IEnumerable<string> TooWide(MarkdownFile file, IEnumerable<string> lines, int widthMax) =>
        lines.Select((line, i) => (line.Length, Number: i + 1)).Where(line => line.Length > widthMax)
            .Select(line => $"{file.Path}:{line.Number} has {line.Length} characters");

    [GeneratedRegex(@"^## \[?(\d+\.\d+\.\d+)", RegexOptions.Multiline)]
    private static partial Regex Released();
}
