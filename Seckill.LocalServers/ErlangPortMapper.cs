using System.Net;
using System.Net.Sockets;

namespace Seckill.LocalServers;

/// <summary>
/// The port mapper (epmd) by which the nodes of one RabbitMQ cluster find each other. It is separate from the nodes, so that it survives
/// the death of any of them.
/// </summary>
public sealed class ErlangPortMapper : LocalServer
{
    private readonly string _binary;

    private ErlangPortMapper(RabbitMqServerOptions options, string binary)
        : base("rabbitmq", options, binary) => _binary = binary;

    /// <summary>Host and port.</summary>
    public override string ConnectionString => $"127.0.0.1:{Port}";

    /// <summary>Starts it, and returns once it accepts connections.</summary>
    /// <exception cref="LocalServerException">It is not installed, or did not answer in time.</exception>
    public static Task<ErlangPortMapper> StartAsync(CancellationToken cancellationToken)
    {
        var options = new RabbitMqServerOptions();
        return StartedAsync(new ErlangPortMapper(options, Find(options)), cancellationToken);
    }

    /// <exception cref="LocalServerException">It is not installed.</exception>
    internal static string Find(RabbitMqServerOptions options) => ServerBinaries.Search(ServerBinaries.RootOf(options), "epmd")
        ?? throw new LocalServerException("epmd not found: install it with apt-get install erlang-base");

    private protected override Task LaunchAsync(CancellationToken cancellationToken) => RunAsync(
        [_binary, "-port", $"{Port}", "-address", "127.0.0.1"], new Dictionary<string, string> { ["HOME"] = DataFolder });

    private protected override async Task<string> ProbeAsync(CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, Port, cancellationToken);
        return "";
    }
}
