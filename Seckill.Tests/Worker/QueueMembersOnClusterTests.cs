using Microsoft.Extensions.Diagnostics.HealthChecks;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.OrderWorker.Members;

namespace Seckill.Tests.Worker;

/// <summary>A queue that was declared before its cluster was whole.</summary>
[Collection(nameof(WorkerServers))]
public sealed class QueueMembersOnClusterTests(WorkerServers servers)
{
    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact(Explicit = true)]
    [Trait("Category", "Long")]
    [Trait("Servers", "Newest")]
    public async Task Health_names_the_command_that_gives_it_the_members_it_lacks()
    {
        await using var cluster = await RabbitMqCluster.StartFirstAsync(_cancellation);
        var factory = new ConnectionFactory { Uri = new Uri(cluster.ConnectionString) };
        await using (var connection = await factory.CreateConnectionAsync(_cancellation))
        await using (var channel = await connection.CreateChannelAsync(cancellationToken: _cancellation))
        {
            await OrderTopology.DeclareAsync(channel, _cancellation);
        }

        await using var worker = await RunningWorker.StartAsync(servers, _cancellation, new()
        {
            ["ConnectionStrings:rabbitmq"] = cluster.ConnectionString,
            ["Worker:ManagementUrl"] = cluster.ManagementUrl.AbsoluteUri,
        });
        await worker.ConsumingAsync(_cancellation);
        await worker.HealthAsync(QueueMembersHealthCheck.Name, HealthStatus.Healthy, _cancellation);

        await cluster.StartOthersAsync(_cancellation);
        await worker.HealthAsync(QueueMembersHealthCheck.Name, HealthStatus.Degraded, _cancellation);
        var entry = await Deadline.UntilAsync(
            () => worker.EntryAsync(QueueMembersHealthCheck.Name, _cancellation),
            entry => entry.Description?.Contains($"{OrderTopology.Queue} lacks 2", StringComparison.Ordinal) == true, _cancellation);
        var commands = entry.Description!.Split(" run ")[1].Split("; ");
        Assert.Equal(2, commands.Length);
        foreach (var command in commands)
        {
            string[] words = [.. command.Split(' ').Select(word => word.Trim('\''))];
            await cluster.Nodes[0].RunToolAsync(words[0], words[1..], _cancellation);
        }

        await worker.HealthAsync(QueueMembersHealthCheck.Name, HealthStatus.Healthy, _cancellation);
        Assert.Null((await worker.EntryAsync(QueueMembersHealthCheck.Name, _cancellation)).Description);
    }
}
