[assembly: AssemblyFixture(typeof(SharedServers))]

namespace Seckill.Tests.Fixtures;

/// <summary>
/// One RabbitMQ and one MySQL for all collections that do not disturb servers: a broker takes longer to start than most classes take to
/// run. Each collection has its own virtual host, database and Redis. Tests that kill, stop or flush start their own servers. Started for
/// the first collection that needs them.
/// </summary>
public sealed class SharedServers : IAsyncLifetime
{
    public const string EndToEnd = "end_to_end";
    public const string Operations = "operations";
    public const string Shop = "shop";
    public const string Console = "console";
    public const string GateCrashes = "gate_crashes";
    public const string OrderCrashes = "order_crashes";
    public const string NoIdempotency = "no_idempotency";
    public const string AckBeforeCommit = "ack_before_commit";
    public const string Sentinel = "sentinel";
    public const string WorkersFirst = "workers_first";
    public const string ApiFirst = "api_first";

    private readonly Lazy<Task<LocalSystem>> _servers = new(() => LocalSystem.StartServersAsync(
        new LocalSystemOptions
        {
            RabbitMq = new RabbitMqServerOptions
            {
                VirtualHosts =
                [
                    EndToEnd, Operations, Shop, Console, GateCrashes, OrderCrashes, NoIdempotency, AckBeforeCommit, Sentinel, WorkersFirst,
                    ApiFirst,
                ],
            },
        },
        CancellationToken.None));

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>Starts the servers under one of the names above, without any application.</summary>
    public async Task<LocalSystem> StartAsync(string name, LocalSystemOptions options, CancellationToken cancellationToken)
    {
        var servers = await _servers.Value;
        return await servers.StartBesideAsync(name, options, cancellationToken);
    }

    /// <summary>The shared broker.</summary>
    public async Task<RabbitMqServer> RabbitMqAsync() => (await _servers.Value).RabbitMq;

    public async ValueTask DisposeAsync()
    {
        if (_servers.IsValueCreated)
        {
            await (await _servers.Value).DisposeAsync();
        }
    }
}
