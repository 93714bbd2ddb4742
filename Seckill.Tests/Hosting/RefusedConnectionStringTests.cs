using System.Collections.Concurrent;
using Seckill.OrderWorker.Migrating;

namespace Seckill.Tests.Hosting;

/// <summary>The message of a process with a wrong connection string.</summary>
public sealed class RefusedConnectionStringTests
{
    private const string Secret = "hunter2";

    private static readonly Dictionary<string, string> Good = new()
    {
        ["ConnectionStrings__redis"] = $"127.0.0.1:1,password={Secret}",
        ["ConnectionStrings__rabbitmq"] = $"amqp://somebody:{Secret}@127.0.0.1:1",
        ["ConnectionStrings__mysql"] = $"Server=127.0.0.1;Port=1;User ID=root;Password={Secret}",
    };

    [Theory]
    [InlineData("Seckill.Api", "redis", "", "")]
    [InlineData("Seckill.Api", "rabbitmq", "amqp://somebody:p@ss/w#rd-hunter2@127.0.0.1", "")]
    [InlineData("Seckill.Api", "mysql", "Server=127.0.0.1;Password=pass;hunter2", "")]
    [InlineData("Seckill.OrderWorker", "rabbitmq", "", "")]
    [InlineData("Seckill.OrderWorker", "mysql", "mysql://root:hunter2@127.0.0.1/seckill", MigrateOnly.Switch)]
    [InlineData("Seckill.Console", "redis", "127.0.0.1:1,password=pass,hunter2", "")]
    public async Task A_process_ends_with_one_line_that_names_the_setting_and_not_the_password(
        string project, string name, string value, string argument)
    {
        var lines = new ConcurrentQueue<string>();
        var settings = new Dictionary<string, string>(Good) { [$"ConnectionStrings__{name}"] = value };
        using var process = await LocalService.StartAsync(
            name, project, $"http://127.0.0.1:{LoopbackPorts.Take()}", settings, lines.Enqueue, argument.Length > 0 ? [argument] : []);

        var exitCode = await process.Exited.WaitAsync(
            TimeSpan.FromMilliseconds(Deadline.TimeoutMs), TestContext.Current.CancellationToken);

        var line = Assert.Single(lines);
        Assert.StartsWith($"ConnectionStrings:{name} ", line, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, line, StringComparison.Ordinal);
        Assert.Equal(2, exitCode);
    }
}
