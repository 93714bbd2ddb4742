using Seckill.Tests.Suite;
using Xunit.Runner.Common;
using Xunit.Sdk;

[assembly: RegisterRunnerReporter(typeof(ProgressReporter))]

namespace Seckill.Tests.Suite;

/// <summary>
/// Reports progress: a line for each finished class, and the running tests when nothing has finished for a while. The platform prints
/// the failures.
/// </summary>
public sealed class ProgressReporter : IRunnerReporter
{
    public bool CanBeEnvironmentallyEnabled => true;

    public string Description => "a line for each finished class";

    public bool ForceNoLogo => true;

    /// <summary>
    /// The platform has no other way to choose a reporter. `dotnet test` has its own display and does not show ours.
    /// </summary>
    public bool IsEnvironmentallyEnabled => !Environment.GetCommandLineArgs().Contains("--server");

    public string RunnerSwitch => "progress";

    public ValueTask<IRunnerReporterMessageHandler> CreateMessageHandler(IRunnerLogger logger, IMessageSink? diagnosticMessageSink) =>
        ValueTask.FromResult<IRunnerReporterMessageHandler>(new ProgressLines(System.Console.Out, TimeProvider.System));
}
