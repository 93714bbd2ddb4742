using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace Seckill.Tests.Documents;

/// <summary>The tables of <c>docs/configuration.md</c>, made from the options classes and their comments.</summary>
internal static class OptionsReference
{
    private const int WidthMax = 138;

    /// <summary>By name: a test that only reads about the AppHost must not count as one that starts it.</summary>
    private static readonly string[] Projects =
    [
        "Seckill.Api", "Seckill.OrderWorker", "Seckill.Console", "Seckill.Ordering", "Seckill.ServiceDefaults", "Seckill.AppHost",
    ];

    /// <summary>The classes that a section of the configuration is bound to, in the order of their sections' names.</summary>
    public static IReadOnlyList<Type> Classes { get; } = FindClasses();

    public static string ToMarkdown()
    {
        var text = new StringBuilder();
        foreach (var section in Classes.GroupBy(SectionOf))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n### {section.Key}\n\n");
            text.Append(Wrapped(string.Join(' ', section.Select(Introduction))));
            text.Append("\n\n| setting | default | range | meaning |\n|---|---|---|---|\n");
            foreach (var (property, value) in section.SelectMany(SettingsOf))
            {
                string[] cells = [$"`{section.Key}:{property.Name}`", DefaultOf(property, value), RangeOf(property), MeaningOf(property)];
                text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
            }
        }

        return text.ToString();
    }

    /// <summary>Everything that can be configured in a class.</summary>
    public static IEnumerable<(PropertyInfo Property, object? Default)> SettingsOf(Type options)
    {
        var defaults = Activator.CreateInstance(options);
        return options.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.CanWrite || property.PropertyType == typeof(IList<string>))
            // A base class's settings come first, and each class's in the order in which they were written.
            .OrderBy(property => property.DeclaringType == options).ThenBy(property => property.MetadataToken)
            .Select(property => (property, property.GetValue(defaults)));
    }

    private static List<Type> FindClasses()
    {
        var all = Projects.SelectMany(project => Assembly.Load(project).GetTypes())
            .Where(type => type.Name.EndsWith("Options", StringComparison.Ordinal) && SectionField(type) is { IsLiteral: true })
            .ToList();
        // Where one class extends another, its table has both.
        return [.. all.Where(type => !all.Any(other => other.BaseType == type))
            .OrderBy(SectionOf, StringComparer.Ordinal).ThenBy(type => type.Name, StringComparer.Ordinal)];
    }

    public static string SectionOf(Type options) => (string)SectionField(options)!.GetRawConstantValue()!;

    private static FieldInfo? SectionField(Type options) =>
        options.GetField("Section", BindingFlags.Public | BindingFlags.Static | BindingFlags.FlattenHierarchy);

    /// <summary>The class, and its summary without the words that all summaries begin with.</summary>
    private static string Introduction(Type options)
    {
        var summary = CodeComments.SummaryOf(options) ?? "";
        var section = $"Section `{SectionOf(options)}`";
        var rest = summary.Replace(section, "", StringComparison.Ordinal).TrimStart(':', ';', '.', ' ');
        var name = $"`{options.Name}` of {options.Assembly.GetName().Name}.";
        return rest.Length == 0 ? name : $"{name} {char.ToUpperInvariant(rest[0])}{rest[1..]}";
    }

    private static string Wrapped(string text)
    {
        var wrapped = new StringBuilder();
        var width = 0;
        foreach (var word in text.Split(' '))
        {
            var fits = width + 1 + word.Length <= WidthMax;
            wrapped.Append(width == 0 ? "" : fits ? " " : "\n").Append(word);
            width = width > 0 && fits ? width + 1 + word.Length : word.Length;
        }

        return wrapped.ToString();
    }

    private static string MeaningOf(PropertyInfo property) =>
        (CodeComments.SummaryOf(property) ?? "").Replace("|", "\\|", StringComparison.Ordinal);

    private static string RangeOf(PropertyInfo property) =>
        property.GetCustomAttribute<RangeAttribute>() is { } range
            ? $"{Number(range.Minimum)} to {Number(range.Maximum)}"
            : property.PropertyType.IsEnum ? string.Join(", ", Enum.GetNames(property.PropertyType).Select(name => $"`{name}`"))
            : property.IsDefined(typeof(RequiredAttribute)) ? "required"
            : "";

    private static string DefaultOf(PropertyInfo property, object? value) => value switch
    {
        null => "not set",
        "" => property.IsDefined(typeof(RequiredAttribute)) ? "–" : "empty",
        string text => $"`{text}`",
        bool flag => flag ? "true" : "false",
        Enum name => $"`{name}`",
        ICollection { Count: 0 } => "none",
        int port when property.Name.EndsWith("Port", StringComparison.Ordinal) => port.ToString(CultureInfo.InvariantCulture),
        _ => Number(value),
    };

    private static string Number(object value) => ((IFormattable)value).ToString(
        value is double ? "0.##" : "#,0", CultureInfo.InvariantCulture);
}
