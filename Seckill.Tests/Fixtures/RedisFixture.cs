using StackExchange.Redis;

namespace Seckill.Tests.Fixtures;

/// <summary>
/// A private redis-server for the tests of one class that use keys of their own; tests that kill or flush it start another. Not shared by
/// the assembly: it would then be started for tests that need none.
/// </summary>
public sealed class RedisFixture : IAsyncLifetime
{
    private RedisServer? _server;

    public IConnectionMultiplexer Connection { get; private set; } = null!;

    public string ConnectionString => _server!.ConnectionString;

    public async ValueTask InitializeAsync()
    {
        _server = await RedisServer.StartAsync(new RedisServerOptions());
        Connection = await ConnectionMultiplexer.ConnectAsync(ConnectionString + ",connectTimeout=30000,asyncTimeout=30000");
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
