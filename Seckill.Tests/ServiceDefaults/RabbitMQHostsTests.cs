using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using RabbitMQ.Client;

namespace Seckill.Tests.ServiceDefaults;

/// <summary>Several hosts in one connection string, on a real broker.</summary>
public sealed class RabbitMQHostsTests(SharedServers servers)
{
    private const int Tries = 3;

    /// <summary>The client itself waits for a silent host for ever; each caller sets a deadline.</summary>
    private const int TryTimeoutMs = 20_000;

    [Fact]
    public async Task A_dead_host_is_passed_at_once_and_a_silent_one_costs_one_try()
    {
        var token = TestContext.Current.CancellationToken;
        var broker = new Uri((await servers.RabbitMqAsync()).ConnectionString);
        // The kernel accepts the connection, and nothing reads from it.
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ConnectionStrings:rabbitmq"] = $"amqp://{broker.UserInfo}@127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port},"
                + $"127.0.0.1:{LoopbackPorts.Take()},127.0.0.1:{broker.Port}",
        });
        builder.AddRabbitMQ();
        using var host = builder.Build();
        var factory = host.Services.GetRequiredService<IConnectionFactory>();

        var connected = 0;
        for (var i = 0; i < Tries; i++)
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(token);
            deadline.CancelAfter(TryTimeoutMs);
            try
            {
                await using var connection = await factory.CreateConnectionAsync(deadline.Token);
                Assert.Equal(broker.Port, connection.Endpoint.Port);
                connected++;
            }
            catch (OperationCanceledException) when (!token.IsCancellationRequested)
            {
                // The silent one.
            }
        }

        Assert.Equal(Tries - 1, connected);
    }
}
