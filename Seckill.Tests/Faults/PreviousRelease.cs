using System.Formats.Tar;

namespace Seckill.Tests.Faults;

/// <summary>
/// The applications of the previous release, from the repository's history, in a temporary folder of their own. Built on first use.
/// </summary>
public sealed class PreviousRelease : IDisposable
{
    /// <summary>
    /// The last commit without load tokens, offers and their columns: the starting point of the upgrade in docs/recovery.md.
    /// </summary>
    private const string Commit = "a404bb8060f1e8e96fa05775574faf21801d0b68";

    private const int GitTimeoutMs = 60_000;
    private const int BuildTimeoutMs = 600_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("seckill-previous-").FullName;
    private readonly Lazy<Task<string>> _checkout;

    public PreviousRelease() => _checkout = new Lazy<Task<string>>(BuildAsync);

    /// <summary>
    /// Whether this checkout's history contains that commit. A downloaded archive has no history, and a shallow clone little.
    /// </summary>
    public static async Task<bool> IsKnownAsync(CancellationToken cancellationToken) =>
        (await ToolRun.RunAsync(
            new ChildCommand(["/usr/bin/env", "git", "cat-file", "-t", Commit], Repository.Root) { InheritEnvironment = true },
            GitTimeoutMs, mustSucceed: false, cancellationToken)).Trim() == "commit";

    /// <summary>The folder with the projects, once they are built.</summary>
    /// <exception cref="InvalidOperationException">Git or the build failed.</exception>
    public Task<string> BuiltAsync() => _checkout.Value;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<string> BuildAsync()
    {
        var archive = Path.Combine(_folder, "sources.tar");
        var checkout = Directory.CreateDirectory(Path.Combine(_folder, "checkout")).FullName;
        await RunAsync(Repository.Root, GitTimeoutMs, "/usr/bin/env", "git", "archive", "--format=tar", $"--output={archive}", Commit);
        await TarFile.ExtractToDirectoryAsync(archive, checkout, overwriteFiles: false);
        foreach (var project in (string[])["Seckill.OrderWorker", "Seckill.Api"])
        {
            // A build server that outlives the build would keep its output open. Ahead-of-time compilation pays off only for many starts.
            await RunAsync(
                checkout, BuildTimeoutMs, LocalService.DotNet(), "build", project, "--configuration", Repository.Configuration,
                "--nologo", "--verbosity", "quiet", "-nodeReuse:false", "-p:UseSharedCompilation=false", "-p:RunAnalyzers=false",
                "-p:EnforceCodeStyleInBuild=false", "-p:ReadyToRunImages=");
        }

        return checkout;
    }

    private static Task<string> RunAsync(string folder, int timeoutMs, params string[] command) => ToolRun.RunAsync(
        new ChildCommand(command, folder) { InheritEnvironment = true }, timeoutMs, mustSucceed: true, CancellationToken.None);
}
