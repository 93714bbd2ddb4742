using System.Text.RegularExpressions;

namespace Seckill.Tests.Unit;

/// <summary>Files stay under 300 lines and functions under 70, as CONTRIBUTING.md requires.</summary>
[Trait("Category", "Quick")]
public sealed partial class SourceLengthTests
{
    private const int FileLinesMax = 299;
    private const int FunctionLinesMax = 69;

    [Fact]
    public void No_file_and_no_function_is_too_long()
    {
        var files = SourceFiles.With(".cs", ".razor", ".js", ".lua");
        var tooLong = files.SelectMany(file => TooLong(file, [.. SourceFiles.LinesOf(file)])).ToList();

        Assert.NotEmpty(files);
        Assert.True(tooLong.Count == 0, string.Join(Environment.NewLine, tooLong));
    }

    [Fact]
    public void A_long_file_is_named() =>
        Assert.Equal(["Long.lua has 300 lines"], TooLong("Long.lua", [.. Enumerable.Repeat("return 1", 300)]));

    [Fact]
    public void A_long_function_is_named_and_its_type_is_not()
    {
        string[] lines =
        [
            "class Long", "{", "    void Short()", "    {", "    }", "", "    void Long(", "        int i)", "    {",
            .. Enumerable.Repeat("        i++;", 70), "    }", "}",
        ];

        Assert.Equal(["Long.cs:7 has a function of 70 lines"], TooLong("Long.cs", lines));
    }

    private static IEnumerable<string> TooLong(string path, string[] lines)
    {
        if (lines.Length > FileLinesMax)
        {
            yield return $"{path} has {lines.Length} lines";
        }

        for (var i = 1; Path.GetExtension(path) == ".cs" && i < lines.Length; i++)
        {
            if (lines[i].TrimStart() != "{")
            {
                continue;
            }

            var indent = lines[i].Length - 1;
            var head = Array.FindLastIndex(lines, i - 1, line => IndentOf(line) == indent);
            var end = Array.FindIndex(lines, i, line => IndentOf(line) == indent && line[indent] == '}');
            if (head >= 0 && !TypeHead().IsMatch(lines[head]) && end - i - 1 > FunctionLinesMax)
            {
                yield return $"{path}:{head + 1} has a function of {end - i - 1} lines";
            }
        }
    }

    private static int IndentOf(string line) => line.Length - line.TrimStart().Length is var indent && indent < line.Length ? indent : -1;

    [GeneratedRegex(@"\b(class|record|struct|interface|enum|namespace)\b")]
    private static partial Regex TypeHead();
}
