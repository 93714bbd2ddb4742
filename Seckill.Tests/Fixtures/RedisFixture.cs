using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using StackExchange.Redis;

[assembly: AssemblyFixture(typeof(Seckill.Tests.Fixtures.RedisFixture))]

namespace Seckill.Tests.Fixtures;

/// <summary>One private redis-server for all tests of the assembly, on its own port and folder.</summary>
public sealed class RedisFixture : IAsyncLifetime
{
    private const int StartDeadlineMs = 20_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("seckill-redis-").FullName;
    private Process? _process;

    public IConnectionMultiplexer Connection { get; private set; } = null!;

    public string ConnectionString { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        ConnectionString = $"127.0.0.1:{port},allowAdmin=true,abortConnect=false,connectTimeout={StartDeadlineMs}";
        _process = Process.Start(new ProcessStartInfo("redis-server", ["--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--dir", _folder, "--daemonize", "no"])
        {
            RedirectStandardOutput = true,
        });
        _process!.OutputDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        var started = Environment.TickCount64;
        Connection = await ConnectionMultiplexer.ConnectAsync(ConnectionString);
        while (!Connection.IsConnected)
        {
            Assert.True(Environment.TickCount64 - started < StartDeadlineMs, "redis-server did not start");
            await Task.Delay(50);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Connection.DisposeAsync();
        if (_process is { HasExited: false })
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
