using System.Text.RegularExpressions;
using Seckill.Ordering.Faults;
using Seckill.Tests.Unit;

namespace Seckill.Tests.Documents;

/// <summary>Code names in documents exist in the code: files, folders, classes, options and crash points.</summary>
[Trait("Category", "Quick")]
public sealed partial class CodeNameTests
{
    private static readonly string[] Sections = [.. OptionsReference.Classes.Select(OptionsReference.SectionOf).Distinct()];

    /// <summary>Bound without a class, or to a class of the framework.</summary>
    private static readonly string[] OtherSettings = ["Api:Replicas", "Auth:FurtherKeys:0", "Auth:FurtherKeys:0:Id"];

    private static IEnumerable<(string Path, string Name)> Mentioned =>
        MarkdownFile.All.Where(file => file.Path != "docs/configuration.md").SelectMany(file => CodeSpan().Matches(file.WithoutFences)
            .Select(span => (file.Path, span.Groups[1].Value)));

    [Fact]
    public void A_path_in_the_text_is_a_file_or_a_folder()
    {
        var paths = Mentioned.Where(mention => RepositoryPath().IsMatch(mention.Name)).ToList();

        Assert.NotEmpty(paths);
        Assert.Equal([], paths.Where(mention => !Exists(mention.Name)).Select(mention => $"{mention.Path}: {mention.Name}"));
    }

    [Fact]
    public void A_setting_in_the_text_is_an_option()
    {
        var options = OptionsReference.Classes
            .SelectMany(type => OptionsReference.SettingsOf(type)
                .Select(setting => $"{OptionsReference.SectionOf(type)}:{setting.Property.Name}"))
            .Concat(OtherSettings).ToHashSet();
        var settings = Mentioned
            .Select(mention => (mention.Path, Name: mention.Name.Replace("__", ":", StringComparison.Ordinal).Split('=')[0]))
            .Where(mention => Sections.Contains(mention.Name.Split(':')[0]) && Setting().IsMatch(mention.Name)).ToList();

        Assert.NotEmpty(settings);
        Assert.Equal([], settings.Where(mention => !options.Contains(mention.Name)).Select(mention => $"{mention.Path}: {mention.Name}"));
    }

    /// <summary>Tables list classes and scripts beside their purpose.</summary>
    [Fact]
    public void A_class_or_script_in_a_table_is_one()
    {
        var source = string.Join('\n', SourceFiles.With(".cs", ".razor").Select(file => string.Join('\n', SourceFiles.LinesOf(file))));
        var files = SourceFiles.With(".cs", ".lua", ".js", ".razor").Select(Path.GetFileName).ToHashSet();
        var names = MarkdownFile.All.Where(file => file.Path.StartsWith("docs/", StringComparison.Ordinal) || !file.Path.Contains('/'))
            .SelectMany(file => file.WithoutFences.Split('\n').Where(line => line.StartsWith('|'))
                .SelectMany(line => CodeSpan().Matches(line)).Select(span => (file.Path, Name: span.Groups[1].Value)))
            .Where(mention => ScriptName().IsMatch(mention.Name) || TypeName().IsMatch(mention.Name)).Distinct().ToList();

        Assert.NotEmpty(names);
        Assert.Equal(
            [],
            names.Where(mention => ScriptName().IsMatch(mention.Name)
                    ? !files.Contains(mention.Name)
                    : !files.Contains($"{mention.Name}.cs") && !Regex.IsMatch(source, $@"\b{Regex.Escape(mention.Name)}\b"))
                .Select(mention => $"{mention.Path}: {mention.Name}"));
    }

    [Fact]
    public void Recovery_has_a_row_for_each_crash_point_and_counts_them()
    {
        var recovery = MarkdownFile.Of("docs/recovery.md").Text;
        var points = typeof(CrashPoint).GetFields().Where(field => field.IsLiteral)
            .Select(field => (string)field.GetRawConstantValue()!).ToList();

        Assert.Equal([], points.Where(point => !recovery.Contains($"\n| `{point}` |", StringComparison.Ordinal)));
        Assert.Contains($"Each of the {points.Count} rows is a named point", recovery, StringComparison.Ordinal);
    }

    private static bool Exists(string path) =>
        Path.Combine(Repository.Root, path.TrimEnd('/')) is var full && (File.Exists(full) || Directory.Exists(full));

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex CodeSpan();

    [GeneratedRegex(@"^(Seckill\.\w+|docs|model|scripts|\.ci|\.github)/[\w./-]+$|^(Seckill\.\w+/?|Directory\.\w+\.(props|targets))$")]
    private static partial Regex RepositoryPath();

    [GeneratedRegex(@"^[A-Z]\w+(:\w+)+$")]
    private static partial Regex Setting();

    [GeneratedRegex(@"^[\w-]+\.(lua|js|cs|razor)$")]
    private static partial Regex ScriptName();

    [GeneratedRegex(@"^[A-Z][a-z]+([A-Z][a-z]+)+$")]
    private static partial Regex TypeName();
}
