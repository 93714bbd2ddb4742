using Seckill.LocalServers;
using Seckill.Tests.Fixtures;
using StackExchange.Redis;

[assembly: AssemblyFixture(typeof(RedisFixture))]

namespace Seckill.Tests.Fixtures;

/// <summary>One private redis-server for all tests of the assembly that keep to keys of their own; whoever kills or flushes starts another.</summary>
public sealed class RedisFixture : IAsyncLifetime
{
    private RedisServer? _server;

    public IConnectionMultiplexer Connection { get; private set; } = null!;

    public string ConnectionString => _server!.ConnectionString;

    public async ValueTask InitializeAsync()
    {
        _server = await RedisServer.StartAsync(new RedisServerOptions());
        Connection = await ConnectionMultiplexer.ConnectAsync(ConnectionString + ",connectTimeout=30000");
        TestContext.Current.SendDiagnosticMessage($"redis {_server.Version}");
    }

    public async ValueTask DisposeAsync()
    {
        if (Connection is not null)
        {
            await Connection.DisposeAsync();
        }

        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }
}
