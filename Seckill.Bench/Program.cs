using System.CommandLine;
using Seckill.Bench.Bench;
using Seckill.Bench.Chaos;
using Seckill.Bench.Demo;
using Seckill.Bench.Textbook;

var root = new RootCommand("Seckill's load generator: drives a running system and checks the results against MySQL and Redis.")
{
    BenchCommand.Create(),
    ChaosCommand.Create(),
    DemoCommand.Create(),
    TextbookApi.Create(),
    TextbookApi.CreateEmpty(),
    TextbookWorker.Create(),
};
var parsed = root.Parse(args);
// Ctrl-C reaches the command as cancellation; the time to end is bounded.
var exitCode = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(5) });
// A mistyped option must not look like a failed sale, which is exit code 1.
return parsed.Errors.Count > 0 ? 2 : exitCode;
