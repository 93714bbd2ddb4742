using System.CommandLine;
using Seckill.Bench.Chaos;
using Seckill.Bench.Demo;

var root = new RootCommand("Seckill's load generator: drives a running system and checks what came out against MySQL and Redis.")
{
    ChaosCommand.Create(),
    DemoCommand.Create(),
};
var parsed = root.Parse(args);
// Ctrl-C reaches the command as cancellation; how long it may take to obey is bounded.
var exitCode = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(5) });
// A mistyped option must not look like a sale gone wrong, which is 1.
return parsed.Errors.Count > 0 ? 2 : exitCode;
