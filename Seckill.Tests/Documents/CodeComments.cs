using System.Collections.Concurrent;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Seckill.Tests.Documents;

/// <summary>Summaries as the compiler writes them beside each assembly.</summary>
internal static partial class CodeComments
{
    private static readonly ConcurrentDictionary<string, IReadOnlyDictionary<string, XElement>> Read = new();

    /// <summary>As Markdown in one line; null where there is none.</summary>
    public static string? SummaryOf(MemberInfo member)
    {
        var type = member as Type ?? member.DeclaringType!;
        var name = member is Type ? $"T:{type.FullName}" : $"P:{type.FullName}.{member.Name}";
        var comments = Read.GetOrAdd(type.Assembly.GetName().Name!, ReadFile);
        return comments.TryGetValue(name.Replace('+', '.'), out var summary) ? ToMarkdown(summary) : null;
    }

    private static Dictionary<string, XElement> ReadFile(string assembly) =>
        XDocument.Load(Path.Combine(AppContext.BaseDirectory, $"{assembly}.xml"), LoadOptions.PreserveWhitespace)
            .Descendants("member")
            .Where(member => member.Element("summary") is not null)
            .ToDictionary(member => member.Attribute("name")!.Value, member => member.Element("summary")!);

    private static string ToMarkdown(XElement summary) => Spaces().Replace(string.Concat(summary.Nodes().Select(ToMarkdown)), " ").Trim();

    private static string ToMarkdown(XNode node) => node switch
    {
        XText text => text.Value,
        XElement { Name.LocalName: "c" } code => $"`{code.Value}`",
        XElement { Name.LocalName: "see" } see => $"`{see.Attribute("cref")!.Value.Split('.', ':')[^1]}`",
        XElement other => other.Value,
        _ => "",
    };

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
