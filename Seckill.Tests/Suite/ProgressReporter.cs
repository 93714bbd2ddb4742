using Seckill.Tests.Suite;
using Xunit.Runner.Common;
using Xunit.Sdk;

[assembly: RegisterRunnerReporter(typeof(ProgressReporter))]

namespace Seckill.Tests.Suite;

/// <summary>
/// Says how far a run is: a line for each finished class, and what is running when nothing has finished for a while. The platform prints
/// the failures.
/// </summary>
public sealed class ProgressReporter : IRunnerReporter
{
    public bool CanBeEnvironmentallyEnabled => true;

    public string Description => "a line for each finished class";

    public bool ForceNoLogo => true;

    /// <summary>
    /// Reporters of the platform can be chosen in no other way. `dotnet test` has a display of its own and shows nothing of ours.
    /// </summary>
    public bool IsEnvironmentallyEnabled => !Environment.GetCommandLineArgs().Contains("--server");

    public string RunnerSwitch => "progress";

    public ValueTask<IRunnerReporterMessageHandler> CreateMessageHandler(IRunnerLogger logger, IMessageSink? diagnosticMessageSink) =>
        ValueTask.FromResult<IRunnerReporterMessageHandler>(new ProgressLines(System.Console.Out, TimeProvider.System));
}
