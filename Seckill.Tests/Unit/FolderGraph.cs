using System.Text.RegularExpressions;

namespace Seckill.Tests.Unit;

/// <summary>A source file of a project.</summary>
/// <param name="Path">Relative to the project, such as <c>Gate/OrderGate.cs</c>.</param>
/// <param name="Text">Its content.</param>
internal sealed record SourceFile(string Path, string Text)
{
    /// <summary>The first folder of the path; empty for a file beside the project file.</summary>
    public string Folder => Path.Contains('/', StringComparison.Ordinal) ? Path[..Path.IndexOf('/', StringComparison.Ordinal)] : "";

    public bool IsRazor => Path.EndsWith(".razor", StringComparison.Ordinal);

    /// <summary>All C# and Razor files of a project, from disk.</summary>
    public static IReadOnlyList<SourceFile> ReadAll(string projectFolder) =>
        [.. Directory.EnumerateFiles(projectFolder, "*", SearchOption.AllDirectories)
            .Select(file => (Full: file, Path: System.IO.Path.GetRelativePath(projectFolder, file).Replace('\\', '/')))
            .Where(file => file.Path.Split('/')[0] is not ("bin" or "obj"))
            .Where(file => System.IO.Path.GetExtension(file.Path) is ".cs" or ".razor")
            .Select(file => new SourceFile(file.Path, File.ReadAllText(file.Full)))];
}

/// <summary>
/// The dependencies between a project's folders, from the source: a name of another folder needs a <c>using</c>, or is written with its
/// namespace. Files beside the project file put the folders together (Program, registrations) or serve all of them, so they count as none.
/// </summary>
internal sealed class FolderGraph
{
    private readonly string _project;
    private readonly HashSet<string> _folders;
    private readonly ILookup<string, string> _typesByFolder;
    private readonly string[] _razorImports;
    private readonly Dictionary<(string From, string To), SortedSet<string>> _uses = [];

    /// <param name="project">The project's root namespace, such as <c>Seckill.Api</c>.</param>
    /// <param name="files">Its files.</param>
    public FolderGraph(string project, IReadOnlyList<SourceFile> files)
    {
        _project = project;
        _folders = [.. files.Select(file => file.Folder).Where(folder => folder.Length > 0)];
        _typesByFolder = files.SelectMany(file => TypesOf(file).Select(type => (file.Folder, Type: type)))
            .ToLookup(declared => declared.Folder, declared => declared.Type);
        _razorImports = [.. files.Where(file => Path.GetFileName(file.Path) == "_Imports.razor").SelectMany(AbsoluteNames).Distinct()];
        foreach (var file in files.Where(file => file.Folder.Length > 0))
        {
            foreach (var to in AbsoluteNames(file).Concat(RelativeNames(file)).Concat(ImportedNames(file)).Where(to => to != file.Folder))
            {
                if (!_uses.TryGetValue((file.Folder, to), out var names))
                {
                    _uses.Add((file.Folder, to), names = []);
                }

                names.Add(Path.GetFileName(file.Path));
            }
        }
    }

    /// <summary>Every use of one folder by another that is part of a cycle, with its files; there should be none.</summary>
    public IReadOnlyList<string> CyclicUses() =>
        [.. _uses.Where(use => ReachableFrom(use.Key.To).Contains(use.Key.From))
            .Select(use => $"{use.Key.From} -> {use.Key.To} ({string.Join(", ", use.Value)})").Order(StringComparer.Ordinal)];

    private HashSet<string> ReachableFrom(string folder)
    {
        var reached = new HashSet<string>();
        var open = new Stack<string>([folder]);
        while (open.TryPop(out var next))
        {
            if (reached.Add(next))
            {
                foreach (var use in _uses.Keys.Where(use => use.From == next))
                {
                    open.Push(use.To);
                }
            }
        }

        return reached;
    }

    private static IEnumerable<string> TypesOf(SourceFile file) =>
        Regex.Matches(file.Text, @"\b(?:class|struct|record|enum|interface)\s+(?:struct\s+|class\s+)?([A-Z]\w*)")
            .Select(match => match.Groups[1].Value)
            .Concat(file.IsRazor ? [Path.GetFileNameWithoutExtension(file.Path)] : []);

    /// <summary>Folders that the file names in full: in a using, an alias or a qualified name.</summary>
    private IEnumerable<string> AbsoluteNames(SourceFile file) =>
        Regex.Matches(Code(file), $@"\b{Regex.Escape(_project)}\.(\w+)").Select(match => match.Groups[1].Value).Where(_folders.Contains);

    /// <summary>Folders that the file names from within the project's namespace, such as <c>Push.OutcomeHub</c>.</summary>
    private IEnumerable<string> RelativeNames(SourceFile file) =>
        Regex.Matches(Code(file), @"(?<![\w.])([A-Z]\w*)\.([A-Z]\w*)")
            .Where(match => _typesByFolder[match.Groups[1].Value].Contains(match.Groups[2].Value))
            .Select(match => match.Groups[1].Value).Where(_folders.Contains);

    /// <summary>A Razor file needs no using for the imports of _Imports.razor, so the type names are searched for.</summary>
    private IEnumerable<string> ImportedNames(SourceFile file)
    {
        if (!file.IsRazor)
        {
            return [];
        }

        var words = Regex.Matches(Code(file), @"\b[A-Z]\w*").Select(match => match.Value).ToHashSet();
        words.ExceptWith(_typesByFolder[file.Folder]);
        return _razorImports.Where(folder => _typesByFolder[folder].Any(words.Contains));
    }

    /// <summary>Without the file's own namespace and lines that are comments.</summary>
    private static string Code(SourceFile file) => Regex.Replace(file.Text, @"^\s*(?:@?namespace\s|//).*$", "", RegexOptions.Multiline);
}
