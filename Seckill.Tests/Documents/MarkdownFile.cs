using System.Text.RegularExpressions;
using Seckill.Tests.Unit;

namespace Seckill.Tests.Documents;

/// <summary>A Markdown file of the repository.</summary>
/// <param name="Path">From the repository's root.</param>
/// <param name="Text">The content, unchanged.</param>
internal sealed partial record MarkdownFile(string Path, string Text)
{
    private static readonly string[] ShellLanguages = ["console", "sh", "shell", "bash"];

    public static IReadOnlyList<MarkdownFile> All { get; } = [.. Everywhere().Select(Of)];

    public static MarkdownFile Of(string path) => new(path, File.ReadAllText(System.IO.Path.Combine(Repository.Root, path)));

    /// <summary>Prose and tables: fences are blanked, so that lines keep their numbers.</summary>
    public string WithoutFences => Fences().Replace(Text, fence => new string('\n', fence.Value.Count(character => character == '\n')));

    /// <summary>Targets of links and pictures that lead to files, each with its line number.</summary>
    public IEnumerable<(int Line, string Target)> Links =>
        Link().Matches(Code().Replace(WithoutFences, match => new string(' ', match.Length)))
            .Select(link => (LineOf(link.Index), link.Groups[1].Value))
            .Where(link => !link.Value.Contains("://", StringComparison.Ordinal)
                && !link.Value.StartsWith("mailto:", StringComparison.Ordinal));

    /// <summary>The anchors that GitHub gives to headings.</summary>
    public IReadOnlySet<string> Anchors => Heading().Matches(WithoutFences)
        .Select(heading => NoAnchor().Replace(heading.Groups[1].Value.Trim().ToLowerInvariant(), "").Replace(' ', '-')).ToHashSet();

    /// <summary>Commands in shell fences: the text after a prompt, or every line if there is no prompt, with continuation lines.</summary>
    public IEnumerable<(int Line, string Command)> Commands => Fences().Matches(Text)
        .Where(fence => ShellLanguages.Contains(fence.Groups["language"].Value))
        .SelectMany(fence => CommandsIn(fence.Groups["body"].Value, LineOf(fence.Groups["body"].Index)));

    private static IEnumerable<string> Everywhere() =>
        SourceFiles.With(".md").Concat(
            Directory.EnumerateFiles(System.IO.Path.Combine(Repository.Root, ".github"), "*.md", SearchOption.AllDirectories)
                .Select(file => System.IO.Path.GetRelativePath(Repository.Root, file)));

    private static IEnumerable<(int Line, string Command)> CommandsIn(string body, int firstLine)
    {
        var lines = body.Split('\n');
        var hasPrompts = lines.Any(line => line.StartsWith("$ ", StringComparison.Ordinal));
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i];
            if (line.Length == 0 || (hasPrompts && !line.StartsWith("$ ", StringComparison.Ordinal)))
            {
                continue;
            }

            var first = i;
            var command = hasPrompts ? line[2..] : line;
            while (command.EndsWith('\\') && i + 1 < lines.Length)
            {
                command = command[..^1].TrimEnd() + " " + lines[++i].Trim();
            }

            yield return (firstLine + first, Remark().Replace(command, "").TrimEnd());
        }
    }

    private int LineOf(int index) => Text.AsSpan(0, index).Count('\n') + 1;

    [GeneratedRegex(@"^```(?<language>\w*)\n(?<body>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fences();

    [GeneratedRegex("`[^`\n]+`")]
    private static partial Regex Code();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NoAnchor();

    [GeneratedRegex(@"\s{2,}#.*$|\s#\s.*$")]
    private static partial Regex Remark();
}
