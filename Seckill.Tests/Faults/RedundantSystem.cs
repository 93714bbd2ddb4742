using RabbitMQ.Client;

namespace Seckill.Tests.Faults;

/// <summary>
/// The whole system on redundant servers: Redis with a replica and a Sentinel, a RabbitMQ of three nodes, MySQL with a replica behind one
/// address. Started on first use, because it takes long.
/// </summary>
public sealed class RedundantSystem : IAsyncLifetime
{
    private readonly Lazy<Task<Servers>> _servers = new(Servers.StartAsync);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public Task<Servers> StartAsync() => _servers.Value;

    public async ValueTask DisposeAsync()
    {
        if (_servers.IsValueCreated)
        {
            await (await _servers.Value).DisposeAsync();
        }
    }

    public sealed class Servers : FaultSystem
    {
        private Servers()
        {
        }

        public RedisSentinel Redis { get; private set; } = null!;

        public RabbitMqCluster RabbitMq { get; private set; } = null!;

        public MySqlPair MySql { get; private set; } = null!;

        public static async Task<Servers> StartAsync()
        {
            var servers = new Servers();
            try
            {
                await servers.InitializeAsync();
                return servers;
            }
            catch
            {
                await servers.DisposeAsync();
                throw;
            }
        }

        public override async ValueTask DisposeAsync()
        {
            await base.DisposeAsync();
            foreach (var server in (IAsyncDisposable?[])[Redis, RabbitMq, MySql])
            {
                await (server?.DisposeAsync() ?? ValueTask.CompletedTask);
            }
        }

        public override Task<IConnection> ConnectAsync(CancellationToken cancellationToken) =>
            new ConnectionFactory { Uri = new Uri(RabbitMq.Nodes[0].ConnectionString), AutomaticRecoveryEnabled = false }
                .CreateConnectionAsync(cancellationToken);

        protected override async Task<LocalSystem> StartServersAsync(LocalSystemOptions options, CancellationToken cancellationToken)
        {
            await Task.WhenAll(StartRedisAsync(), StartRabbitMqAsync(), StartMySqlAsync());
            return await LocalSystem.StartOnAsync(options, Redis.ConnectionString, RabbitMq.ConnectionString, MySql.ConnectionString);

            async Task StartRedisAsync()
            {
                Redis = await RedisSentinel.StartAsync(cancellationToken);
                await Redis.StartSentinelAsync(cancellationToken);
            }

            async Task StartRabbitMqAsync() => RabbitMq = await RabbitMqCluster.StartAsync(cancellationToken);

            async Task StartMySqlAsync() => MySql = await MySqlPair.StartAsync(cancellationToken);
        }
    }
}
