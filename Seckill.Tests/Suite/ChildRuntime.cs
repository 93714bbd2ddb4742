using System.Runtime.CompilerServices;

namespace Seckill.Tests.Suite;

/// <summary>
/// Runtime settings for the processes that tests start, which inherit this environment. They make startup cheap: none of the processes
/// lives long enough to benefit from anything else, and startups dominate a run of the suite.
/// </summary>
internal static class ChildRuntime
{
    private static readonly (string Name, string Value)[] Settings =
    [
        // Code is compiled once, without profiling for a better compilation.
        ("DOTNET_TC_CallCounting", "0"),
        ("DOTNET_TieredPGO", "0"),
        // Compiled code is not mapped a second time for writing.
        ("DOTNET_EnableWriteXorExecute", "0"),
        // Nobody edits their settings files, and one heap is created faster than one for each core.
        ("DOTNET_hostBuilder__reloadConfigOnChange", "false"),
        ("DOTNET_gcServer", "0"),
        // Also for the processes that are not ours, such as the dashboard: idle threads do not spin.
        ("DOTNET_ThreadPool_UnfairSemaphoreSpinLimit", "0"),
        // A killed process would leave its diagnostic pipes in the temporary folder for ever.
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
