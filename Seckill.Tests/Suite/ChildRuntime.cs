using System.Runtime.CompilerServices;

namespace Seckill.Tests.Suite;

/// <summary>
/// How the runtime works in the processes that tests start, which inherit this environment: the cheapest way to start, because none of them
/// lives long enough to earn back anything else, and starts are what a run of the suite spends its time on.
/// </summary>
internal static class ChildRuntime
{
    private static readonly (string Name, string Value)[] Settings =
    [
        // Code is compiled once, and nothing is recorded to compile it better.
        ("DOTNET_TC_CallCounting", "0"),
        ("DOTNET_TieredPGO", "0"),
        // A process that is killed leaves its pipes for debuggers in the temporary folder, for ever.
        ("DOTNET_EnableDiagnostics", "0"),
    ];

    [ModuleInitializer]
    internal static void Set()
    {
        foreach (var (name, value) in Settings)
        {
            Environment.SetEnvironmentVariable(name, value);
        }
    }
}
