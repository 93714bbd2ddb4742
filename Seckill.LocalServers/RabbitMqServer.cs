using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RabbitMQ.Client;

namespace Seckill.LocalServers;

/// <summary>
/// A private RabbitMQ broker. Erlang finds nodes through a port mapper (epmd) that a machine usually shares; this broker has its own,
/// so that it is isolated from all others.
/// </summary>
public sealed class RabbitMqServer : LocalServer
{
    private const string User = "seckill";

    /// <summary>Part of the stored data, so it must not contain the port. The private port mapper keeps equal names apart.</summary>
    private const string AloneNodeName = "seckill@localhost";

    /// <summary>Time after which a silent cluster node is considered down, s; the broker's own default is 60.</summary>
    private const int DeadNodeSeconds = 10;

    /// <summary>Time after which messages held by consumers of a lost node are delivered again; 4.3's default is 60,000.</summary>
    private const int DisconnectedConsumerMs = 5_000;

    private readonly RabbitMqServerOptions _options;
    private readonly string _script;
    private readonly string _epmd;
    private readonly int _epmdPort;
    private readonly int _distributionPort = LoopbackPorts.Take();

    private RabbitMqServer(RabbitMqServerOptions options, string script, string epmd)
        : base("rabbitmq", options, script)
    {
        _options = options;
        _script = script;
        _epmd = epmd;
        _epmdPort = options.Cluster?.PortMapperPort ?? LoopbackPorts.Take();
    }

    /// <summary>Its name in the cluster.</summary>
    public string NodeName => _options.Cluster?.NodeName ?? AloneNodeName;

    /// <summary>An AMQP URI; the virtual host is the default one.</summary>
    public override string ConnectionString => $"amqp://{User}:{Password}@127.0.0.1:{Port}";

    /// <summary>An AMQP URI for one of <see cref="RabbitMqServerOptions.VirtualHosts"/>.</summary>
    public string ConnectionStringOf(string virtualHost) => $"{ConnectionString}/{Uri.EscapeDataString(virtualHost)}";

    /// <summary>Starts it, and returns once an AMQP handshake succeeds.</summary>
    /// <exception cref="LocalServerException">It is not installed, or did not answer in time.</exception>
    public static Task<RabbitMqServer> StartAsync(RabbitMqServerOptions options, CancellationToken cancellationToken = default)
    {
        // Debian's /usr/sbin/rabbitmq-server switches user when root runs it and then cannot write our folders; this is the script it
        // calls.
        var script = ServerBinaries.Find(
            options, "SECKILL_RABBITMQ_SERVER", ["/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server"], "rabbitmq-server");
        return StartedAsync(new RabbitMqServer(options, script, ErlangPortMapper.Find(options)), cancellationToken);
    }

    /// <summary>Runs <c>rabbitmqctl</c> on this broker, as an operator would.</summary>
    /// <exception cref="LocalServerException">It failed; the server's log says why.</exception>
    public Task ControlAsync(CancellationToken cancellationToken, params string[] arguments) =>
        RunToolAsync("rabbitmqctl", arguments, cancellationToken);

    /// <summary>The same with another of RabbitMQ's tools, such as <c>rabbitmq-queues</c>.</summary>
    /// <exception cref="LocalServerException">It failed; the server's log says why.</exception>
    public Task RunToolAsync(string tool, IReadOnlyList<string> arguments, CancellationToken cancellationToken) => RunToEndAsync(
        [Path.Combine(Path.GetDirectoryName(_script)!, tool), "-n", NodeName, .. arguments],
        EnvironmentOf(Path.Combine(DataFolder, "rabbitmq.conf"), Path.Combine(DataFolder, "empty")), cancellationToken);

    private protected override async Task LaunchAsync(CancellationToken cancellationToken)
    {
        // The broker checks the free disk space with a shell command that contains the path unescaped: an unbalanced quote would keep it
        // from starting.
        if (DataFolder.AsSpan().ContainsAny("'\"\\$`"))
        {
            throw new LocalServerException(
                $"rabbitmq: {DataFolder} contains a character that RabbitMQ passes to a shell unescaped: no quotes, backslash, $ or `");
        }

        var configuration = Path.Combine(DataFolder, "rabbitmq.conf");
        WriteForServer(configuration, string.Join('\n', [.. Configuration(), ""]));
        var empty = Path.Combine(DataFolder, "empty");
        WriteForServer(empty, "");
        WriteForServer(Path.Combine(DataFolder, "enabled_plugins"), _options.ManagementPort is null ? "[].\n" : "[rabbitmq_management].\n");
        WriteForServer(Path.Combine(DataFolder, ".erlang.cookie"), Password);

        var environment = EnvironmentOf(configuration, empty);
        if (_options.Cluster is null)
        {
            await RunAsync([_epmd, "-port", $"{_epmdPort}", "-address", "127.0.0.1"], environment);
        }

        // With RABBITMQ_ALLOW_INPUT the script execs the Erlang VM instead of supervising it, so that signals reach the broker.
        await RunAsync([_script, "-noinput", .. _options.ExtraArguments], environment);
    }

    private protected override async Task<string> ProbeAsync(CancellationToken cancellationToken)
    {
        var factory = new ConnectionFactory { Uri = new Uri(ConnectionString), AutomaticRecoveryEnabled = false };
        await using var connection = await factory.CreateConnectionAsync("starter", cancellationToken);
        var version = (byte[])connection.ServerProperties!["version"]!;
        await connection.CloseAsync(cancellationToken);
        return Encoding.UTF8.GetString(version);
    }

    private IEnumerable<string> Configuration()
    {
        yield return $"listeners.tcp.local = 127.0.0.1:{Port}";
        yield return $"max_message_size = {_options.MessageBytesMax}";
        yield return $"frame_max = {_options.FrameBytesMax}";
        // When definitions are loaded, the broker creates no user and no virtual host by itself. The file's name is relative to the working
        // folder, because this format has no quotes.
        string[] accounts = _options.VirtualHosts.Count > 0
            ? [$"load_definitions = {Path.GetFileName(WriteDefinitions())}"]
            : [$"default_user = {User}", $"default_pass = {Password}"];
        string[] management = _options.ManagementPort is { } port
            ? ["management.tcp.ip = 127.0.0.1", $"management.tcp.port = {port}"]
            : [];
        // A frozen node's consumers get their share of the messages until it is considered down. Newer versions ignore the second line.
        string[] patience = _options.Cluster is null
            ? []
            : [$"net_ticktime = {DeadNodeSeconds}", "cluster_partition_handling = pause_minority"];
        string[] cluster = _options.Cluster is { FirstNodeName: { } first }
            ? [
                "cluster_formation.peer_discovery_backend = classic_config", $"cluster_formation.classic_config.nodes.1 = {first}",
                $"cluster_formation.classic_config.nodes.2 = {NodeName}",
            ]
            : [];
        foreach (var line in (string[])[.. accounts, .. management, .. patience, .. cluster])
        {
            yield return line;
        }
    }

    private string WriteDefinitions()
    {
        string[] virtualHosts = ["/", .. _options.VirtualHosts];
        var salt = RandomNumberGenerator.GetBytes(4);
        var hash = Convert.ToBase64String([.. salt, .. SHA256.HashData([.. salt, .. Encoding.UTF8.GetBytes(Password)])]);
        var file = Path.Combine(DataFolder, "definitions.json");
        WriteForServer(file, JsonSerializer.Serialize(new
        {
            users = new[]
            {
                new { name = User, password_hash = hash, hashing_algorithm = "rabbit_password_hashing_sha256", tags = "administrator" },
            },
            vhosts = virtualHosts.Select(name => new { name }),
            permissions = virtualHosts.Select(vhost => new { user = User, vhost, configure = ".*", write = ".*", read = ".*" }),
        }));
        return file;
    }

    private Dictionary<string, string> EnvironmentOf(string configuration, string empty) => new()
    {
        ["HOME"] = DataFolder,
        ["ERL_EPMD_PORT"] = $"{_epmdPort}",
        ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
        ["ERL_CRASH_DUMP"] = Path.Combine(ServerFolder, "erl_crash.dump"),
        ["RABBITMQ_NODENAME"] = NodeName,
        ["RABBITMQ_NODE_PORT"] = $"{Port}",
        ["RABBITMQ_NODE_IP_ADDRESS"] = "127.0.0.1",
        ["RABBITMQ_DIST_PORT"] = $"{_distributionPort}",
        ["RABBITMQ_CONF_ENV_FILE"] = empty,
        ["RABBITMQ_CONFIG_FILE"] = configuration,
        ["RABBITMQ_ADVANCED_CONFIG_FILE"] = Path.Combine(DataFolder, "none.config"),
        ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(DataFolder, "enabled_plugins"),
        ["RABBITMQ_PLUGINS_EXPAND_DIR"] = Path.Combine(ServerFolder, "plugins-expand"),
        ["RABBITMQ_GENERATED_CONFIG_DIR"] = Path.Combine(ServerFolder, "generated"),
        ["RABBITMQ_MNESIA_BASE"] = ServerFolder,
        ["RABBITMQ_LOG_BASE"] = ServerFolder,
        ["RABBITMQ_LOGS"] = "-",
        ["RABBITMQ_PID_FILE"] = Path.Combine(ServerFolder, "rabbitmq.pid"),
        ["RABBITMQ_ALLOW_INPUT"] = "true",
        // Idle schedulers that spin for long take the processor from everything else on a small machine. Without any spinning the start
        // takes twice as long, because it wakes a thread for each of thousands of files that it looks for.
        ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] =
            "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1} +sbwt very_short +sbwtdcpu none +sbwtdio very_short"
                // As an argument, because versions that do not know it reject it in the configuration.
                + (_options.Cluster is null ? "" : $" -rabbit consumer_disconnected_timeout {DisconnectedConsumerMs}"),
    };
}
