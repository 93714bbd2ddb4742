namespace Seckill.Tests.Documents;

/// <summary>Every link in a document leads to a file, and to a heading where it names one.</summary>
[Trait("Category", "Quick")]
public sealed class LinkTests
{
    [Fact]
    public void Every_link_leads_somewhere()
    {
        var links = MarkdownFile.All.SelectMany(file => file.Links.Select(link => (File: file, link.Line, link.Target))).ToList();

        Assert.NotEmpty(links);
        Assert.Equal(
            [],
            links.Where(link => !Leads(link.File, link.Target)).Select(link => $"{link.File.Path}:{link.Line} → {link.Target}"));
    }

    [Theory]
    [InlineData("LICENSE", true)]
    [InlineData("docs/recovery.md#a-message-is-bad", true)]
    [InlineData("docs/recovery.md#no-such-heading", false)]
    [InlineData("docs/no-such-file.md", false)]
    [InlineData("#the-heading-of-this-file", true)]
    [InlineData("#another", false)]
    public void A_link_is_looked_up(string target, bool leads) =>
        Assert.Equal(leads, Leads(new MarkdownFile("Here.md", "# The heading of *this* file!\n"), target));

    private static bool Leads(MarkdownFile from, string target)
    {
        var parts = target.Split('#');
        var path = Path.Combine(Path.GetDirectoryName(from.Path)!, Uri.UnescapeDataString(parts[0]));
        var full = Path.GetFullPath(path, Repository.Root);
        if (parts[0].Length > 0 && !File.Exists(full) && !Directory.Exists(full))
        {
            return false;
        }

        var file = parts[0].Length == 0
            ? from
            : MarkdownFile.All.FirstOrDefault(file => Path.GetFullPath(file.Path, Repository.Root) == full);
        return parts.Length == 1 || file?.Anchors.Contains(parts[1]) == true;
    }
}
