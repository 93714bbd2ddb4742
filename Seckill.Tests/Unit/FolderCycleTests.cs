using System.Text.RegularExpressions;

namespace Seckill.Tests.Unit;

/// <summary>The folders of a project depend on each other in one direction.</summary>
[Trait("Category", "Quick")]
public sealed class FolderCycleTests
{
    public static TheoryData<string> Projects =>
        [.. Directory.EnumerateDirectories(Repository.Root).SelectMany(folder => Directory.EnumerateFiles(folder, "*.csproj"))
            .Select(file => Path.GetFileNameWithoutExtension(file)!).Order()];

    [Theory]
    [MemberData(nameof(Projects))]
    public void No_folders_depend_on_each_other_in_a_circle(string project) =>
        Assert.Empty(new FolderGraph(project, FilesOf(project)).CyclicUses());

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_files_namespace_is_its_folder(string project)
    {
        var files = FilesOf(project);

        Assert.NotEmpty(files);
        Assert.Equal([], files.Where(file => !IsInItsNamespace(file, project)).Select(file => file.Path));
    }

    [Theory]
    [InlineData("using Shop.Cellar;")]
    [InlineData("using static Shop.Cellar.Barrel;")]
    [InlineData("using B = Shop.Cellar.Barrel;")]
    [InlineData("class Window { Shop.Cellar.Barrel? Sight; }")]
    [InlineData("class Window { Cellar.Barrel? Sight; }")]
    public void Every_way_to_use_another_folder_is_seen(string use)
    {
        SourceFile[] files = [new("Attic/Window.cs", use), new("Cellar/Barrel.cs", "using Shop.Attic;\ninternal sealed record Barrel;")];

        Assert.Equal(["Attic -> Cellar (Window.cs)", "Cellar -> Attic (Barrel.cs)"], new FolderGraph("Shop", files).CyclicUses());
        Assert.Empty(new FolderGraph("Shop", [files[0], files[1] with { Text = "internal sealed record Barrel;" }]).CyclicUses());
    }

    [Fact]
    public void A_component_that_needs_no_using_is_seen()
    {
        SourceFile[] files =
        [
            new("_Imports.razor", "@using Shop.Cellar"), new("Attic/Window.razor", "<Barrel />"),
            new("Cellar/Barrel.razor", "@using Shop.Attic\n<Window />"),
        ];

        Assert.Equal(["Attic -> Cellar (Window.razor)", "Cellar -> Attic (Barrel.razor)"], new FolderGraph("Shop", files).CyclicUses());
    }

    [Fact]
    public void A_circle_of_three_is_seen_and_what_only_leads_to_it_is_not_blamed()
    {
        SourceFile[] files =
        [
            new("A/A.cs", "using Shop.B;"), new("B/B.cs", "using Shop.C;"), new("C/C.cs", "using Shop.A;"), new("D/D.cs", "using Shop.A;"),
            new("Program.cs", "using Shop.A; using Shop.D;"),
        ];

        Assert.Equal(["A -> B (A.cs)", "B -> C (B.cs)", "C -> A (C.cs)"], new FolderGraph("Shop", files).CyclicUses());
    }

    [Fact]
    public void A_circle_planted_in_the_Api_is_found()
    {
        var planted = new SourceFile("Errors/Planted.cs", "using Seckill.Api.Orders;\n\nnamespace Seckill.Api.Errors;");

        Assert.Contains("Errors -> Orders (Planted.cs)", new FolderGraph("Seckill.Api", [.. FilesOf("Seckill.Api"), planted]).CyclicUses());
    }

    /// <summary>Extensions of the framework may be in the framework's own namespace, as is usual.</summary>
    private static bool IsInItsNamespace(SourceFile file, string project)
    {
        var declared = Regex.Match(file.Text, @"^@?namespace\s+(Seckill[\w.]*)", RegexOptions.Multiline);
        var folder = Path.GetDirectoryName(file.Path)!.Replace(Path.DirectorySeparatorChar, '.');
        return !declared.Success || declared.Groups[1].Value == (folder.Length == 0 ? project : $"{project}.{folder}");
    }

    private static IReadOnlyList<SourceFile> FilesOf(string project) => SourceFile.ReadAll(Path.Combine(Repository.Root, project));
}
