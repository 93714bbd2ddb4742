namespace Seckill.Tests.Documents;

/// <summary>
/// <c>docs/configuration.md</c> lists every option as the code has it. With <c>SECKILL_WRITE_DOCS=1</c> the first test writes the tables.
/// </summary>
[Trait("Category", "Quick")]
public sealed class ConfigurationTableTests
{
    private const string Mark = "<!-- Made from the options classes; SECKILL_WRITE_DOCS=1 writes it anew, see CONTRIBUTING.md. -->\n";

    private static string FilePath => Path.Combine(Repository.Root, "docs", "configuration.md");

    [Fact]
    public void The_tables_are_what_the_options_classes_say()
    {
        var written = File.ReadAllText(FilePath);
        var end = written.IndexOf(Mark, StringComparison.Ordinal) + Mark.Length;
        Assert.True(end >= Mark.Length, "docs/configuration.md has lost the mark above its tables.");
        var wanted = written[..end] + OptionsReference.ToMarkdown();
        if (Environment.GetEnvironmentVariable("SECKILL_WRITE_DOCS") == "1")
        {
            File.WriteAllText(FilePath, wanted);
            return;
        }

        Assert.True(
            wanted == written,
            "docs/configuration.md is stale: SECKILL_WRITE_DOCS=1 ./seckill test quick --filter-class '*ConfigurationTableTests'");
    }

    [Fact]
    public void Every_option_says_what_it_is() =>
        Assert.Equal(
            [],
            OptionsReference.Classes.SelectMany(options => OptionsReference.SettingsOf(options))
                .Where(setting => CodeComments.SummaryOf(setting.Property) is null)
                .Select(setting => $"{setting.Property.DeclaringType!.Name}.{setting.Property.Name} has no comment"));

    [Fact]
    public void The_sections_of_all_applications_are_found() =>
        Assert.Superset(
            new HashSet<string> { "GateOptions", "AuthOptions", "WorkerOptions", "HubOptions", "DrainingOptions", "LocalOptions" },
            OptionsReference.Classes.Select(options => options.Name).ToHashSet());
}
