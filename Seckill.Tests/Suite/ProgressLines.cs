using System.Globalization;
using Xunit.Runner.Common;
using Xunit.Sdk;

namespace Seckill.Tests.Suite;

/// <summary>Prints the lines of one run. Messages come from many threads.</summary>
internal sealed class ProgressLines : IRunnerReporterMessageHandler
{
    /// <summary>Time without a line after which the running tests are printed.</summary>
    internal const int SilenceMsMax = 10_000;

    private const int RunningNamesMax = 3;

    private readonly TextWriter _output;
    private readonly TimeProvider _time;
    private readonly ITimer _silence;
    private readonly Lock _lock = new();
    private readonly long _startedAt;
    private readonly Dictionary<string, (string Name, long StartedAt)> _classes = [];
    private readonly Dictionary<string, (string Name, long StartedAt)> _tests = [];
    private int _expected;
    private int _passed;
    private int _failed;
    private int _skipped;

    public ProgressLines(TextWriter output, TimeProvider time)
    {
        (_output, _time) = (output, time);
        _startedAt = time.GetTimestamp();
        _silence = time.CreateTimer(_ => SayWhatIsRunning(), null, Period, Period);
    }

    private static TimeSpan Period => TimeSpan.FromMilliseconds(SilenceMsMax);

    public bool OnMessage(IMessageSinkMessage message)
    {
        lock (_lock)
        {
            switch (message)
            {
                case TestAssemblyDiscoveryFinished found:
                    _expected = found.TestCasesToRun;
                    break;
                case ITestClassStarting { TestClassUniqueID: { } id } starting:
                    _classes[id] = (starting.TestClassName, _time.GetTimestamp());
                    break;
                case ITestStarting starting:
                    _tests[starting.TestUniqueID] = (starting.TestDisplayName, _time.GetTimestamp());
                    break;
                case ITestPassed:
                    _passed++;
                    break;
                case ITestFailed:
                    _failed++;
                    break;
                case ITestSkipped:
                    _skipped++;
                    break;
                case ITestFinished finished:
                    _tests.Remove(finished.TestUniqueID);
                    break;
                case ITestClassFinished { TestClassUniqueID: { } id } finished when _classes.Remove(id, out var entry):
                    SayFinished(entry.Name, _time.GetElapsedTime(entry.StartedAt), finished);
                    break;
            }
        }

        return true;
    }

    public ValueTask DisposeAsync() => _silence.DisposeAsync();

    private void SayFinished(string name, TimeSpan took, ITestClassFinished finished)
    {
        var ran = finished.TestsTotal - finished.TestsNotRun;
        if (ran == 0)
        {
            return;
        }

        Say(string.Create(
            CultureInfo.InvariantCulture,
            $"{took.TotalSeconds,7:N1} s  {Short(name)}: {ran - finished.TestsFailed - finished.TestsSkipped} "
                + $"passed{Counted(finished.TestsFailed, "FAILED")}{Counted(finished.TestsSkipped, "skipped")}"));
    }

    private void SayWhatIsRunning()
    {
        lock (_lock)
        {
            var running = _tests.Values.OrderBy(test => test.StartedAt).ToArray();
            var names = running.Take(RunningNamesMax).Select(test => string.Create(
                CultureInfo.InvariantCulture, $"{Short(test.Name)} ({_time.GetElapsedTime(test.StartedAt).TotalSeconds:N0} s)"));
            var more = running.Length > RunningNamesMax ? $", and {running.Length - RunningNamesMax} more" : "";
            Say(running.Length == 0
                ? "           no test is running: servers are starting or stopping"
                : $"           running: {string.Join(", ", names)}{more}");
        }
    }

    private void Say(string line)
    {
        var total = _passed + _failed + _skipped;
        _output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{_time.GetElapsedTime(_startedAt):mm\\:ss} [{total}/{_expected}{Counted(_failed, "FAILED")}] {line}"));
        _output.Flush();
        _silence.Change(Period, Period);
    }

    private static string Counted(int count, string what) =>
        count == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", {count} {what}");

    /// <summary>Without the common prefix.</summary>
    private static string Short(string name) =>
        name.StartsWith("Seckill.Tests.", StringComparison.Ordinal) ? name["Seckill.Tests.".Length..] : name;
}
