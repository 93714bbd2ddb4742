using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Seckill.Tests.Fixtures;

/// <summary>A RabbitMQ of three nodes with the management plugin.</summary>
public sealed class RabbitMqCluster : IAsyncDisposable
{
    private const int NodeCount = 3;

    private readonly ErlangPortMapper _portMapper;
    private readonly string _password = RandomNumberGenerator.GetHexString(24, lowercase: true);
    private readonly List<RabbitMqServer> _nodes = [];
    private readonly List<Uri> _managementUrls = [];

    private RabbitMqCluster(ErlangPortMapper portMapper) => _portMapper = portMapper;

    public IReadOnlyList<RabbitMqServer> Nodes => _nodes;

    /// <summary>All nodes started so far.</summary>
    public string ConnectionString =>
        $"{_nodes[0].ConnectionString}{string.Concat(_nodes.Skip(1).Select(node => $",127.0.0.1:{node.Port}"))}";

    /// <summary>Management address of the first node.</summary>
    public Uri ManagementUrl => _managementUrls[0];

    /// <summary>Starts all three nodes.</summary>
    public static async Task<RabbitMqCluster> StartAsync(CancellationToken cancellationToken)
    {
        var cluster = await StartFirstAsync(cancellationToken);
        try
        {
            await cluster.StartOthersAsync(cancellationToken);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a single node, which does not know about the others yet.</summary>
    public static async Task<RabbitMqCluster> StartFirstAsync(CancellationToken cancellationToken)
    {
        var cluster = new RabbitMqCluster(await ErlangPortMapper.StartAsync(cancellationToken));
        try
        {
            cluster._nodes.Add(await cluster.StartNodeAsync(1, cancellationToken));
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the other two nodes, which join the first.</summary>
    public async Task StartOthersAsync(CancellationToken cancellationToken)
    {
        for (var number = 2; number <= NodeCount; number++)
        {
            _nodes.Add(await StartNodeAsync(number, cancellationToken));
        }
    }

    /// <summary>The node that leads a queue, once all its member nodes follow.</summary>
    public async Task<RabbitMqServer> LeaderAsync(string queue, CancellationToken cancellationToken)
    {
        using var http = new HttpClient();
        var account = Encoding.UTF8.GetBytes(new Uri(_nodes[0].ConnectionString).UserInfo);
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(account));
        var found = await Deadline.UntilAsync(
            AskAsync,
            answer => answer is { Leader: not null, Members: { } members, Online: { } online }
                && members.Count == online.Count && online.Contains(answer.Leader),
            cancellationToken);
        return _nodes.Single(node => node.NodeName == found!.Leader);

        async Task<QueueAnswer?> AskAsync()
        {
            // A node that has just restarted refuses requests for a while.
            using var answer = await http.GetAsync(new Uri(ManagementUrl, $"api/queues/%2F/{queue}"), cancellationToken);
            return answer.IsSuccessStatusCode ? await answer.Content.ReadFromJsonAsync<QueueAnswer>(cancellationToken) : null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in Enumerable.Reverse(_nodes))
        {
            node.Kill();
            await node.DisposeAsync();
        }

        await _portMapper.DisposeAsync();
    }

    private Task<RabbitMqServer> StartNodeAsync(int number, CancellationToken cancellationToken)
    {
        var managementPort = LoopbackPorts.Take();
        var first = number == 1 ? null : _nodes[0].NodeName;
        _managementUrls.Add(new Uri($"http://127.0.0.1:{managementPort}/"));
        return RabbitMqServer.StartAsync(
            new RabbitMqServerOptions
            {
                Password = _password,
                ManagementPort = managementPort,
                Cluster = new RabbitMqClusterPlace($"seckill-{number}@localhost", first, _portMapper.Port),
            },
            cancellationToken);
    }

    private sealed record QueueAnswer(string? Leader, IReadOnlyList<string>? Members, IReadOnlyList<string>? Online)
    {
        public override string ToString() => JsonSerializer.Serialize(this);
    }
}
