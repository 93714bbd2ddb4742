namespace Seckill.LocalServers;

/// <summary>Options of every private server instance. The defaults suit a test: a temporary folder and a free port.</summary>
public abstract record LocalServerOptions
{
    /// <summary>Contains everything the instance writes. Null: a temporary folder, deleted when the instance is disposed.</summary>
    public string? DataFolder { get; init; }

    /// <summary>TCP port on 127.0.0.1. Null: a free one.</summary>
    public int? Port { get; init; }

    /// <summary>Null: random at the first start and kept in the data folder.</summary>
    public string? Password { get; init; }

    /// <summary>The server's binary. Null: taken from the environment, or found on PATH and in the usual folders.</summary>
    public string? Binary { get; init; }

    /// <summary>
    /// A folder with a whole small system (see <c>scripts/todays-servers.sh</c>); the binary is run in it by chroot, which needs root.
    /// Null or empty: the machine's own servers. The default is the environment variable <c>SECKILL_SERVERS_ROOT</c>.
    /// </summary>
    public string? ServersRoot { get; init; } = Environment.GetEnvironmentVariable("SECKILL_SERVERS_ROOT");

    /// <summary>Maximum time until the server answers, in milliseconds.</summary>
    public int StartTimeoutMs { get; init; } = 120_000;

    /// <summary>Maximum time of an orderly stop before the server is killed, in milliseconds.</summary>
    public int StopTimeoutMs { get; init; } = 20_000;

    /// <summary>Appended to the server's own arguments; the last one wins.</summary>
    public IReadOnlyList<string> ExtraArguments { get; init; } = [];
}

/// <summary>A private Redis.</summary>
public sealed record RedisServerOptions : LocalServerOptions
{
    /// <summary>True: each write is on disk before it is answered. False: once a second, so a power cut may lose the last second.</summary>
    public bool AppendFsyncAlways { get; init; }

    /// <summary>Whether it is a Sentinel; it learns by command which servers to monitor.</summary>
    public bool IsSentinel { get; init; }
}

/// <summary>A private RabbitMQ broker with an Erlang port mapper of its own.</summary>
public sealed record RabbitMqServerOptions : LocalServerOptions
{
    /// <summary>Virtual hosts besides the default one, created at the first start: isolated systems on one broker.</summary>
    public IReadOnlyList<string> VirtualHosts { get; init; } = [];

    /// <summary>Maximum message size in bytes, equal to the worker's; the broker's default is 16 MiB, and 128 MiB before 4.0.</summary>
    public int MessageBytesMax { get; init; } = 2_097_152;

    /// <summary>
    /// Maximum frame size in bytes; the broker's own default is 128 KiB. A message's headers share one frame; in a small one they cannot be
    /// nested deeply enough for reading them to overflow a stack.
    /// </summary>
    public int FrameBytesMax { get; init; } = 65_536;

    /// <summary>TCP port of the management plugin's HTTP interface. Null: the plugin is off.</summary>
    public int? ManagementPort { get; init; }

    /// <summary>Its place in a cluster; all nodes have the same <see cref="LocalServerOptions.Password"/>. Null: no cluster.</summary>
    public RabbitMqClusterPlace? Cluster { get; init; }
}

/// <summary>Settings of a node of a RabbitMQ cluster.</summary>
/// <param name="NodeName">Its own name.</param>
/// <param name="FirstNodeName">The node that it joins at its first start. Null: it is the first node.</param>
/// <param name="PortMapperPort">Port of the <see cref="ErlangPortMapper"/> that all nodes share.</param>
public sealed record RabbitMqClusterPlace(string NodeName, string? FirstNodeName, int PortMapperPort);

/// <summary>A private MySQL or MariaDB.</summary>
public sealed record MySqlServerOptions : LocalServerOptions
{
    /// <summary>Created at the first start, with character set utf8mb4.</summary>
    public string Database { get; init; } = "seckill";

    /// <summary>
    /// Whether there is an administrator account, with a password known to this process only. Tests need one; an application
    /// never does.
    /// </summary>
    public bool WithAdministrator { get; init; }

    /// <summary>Null: random. Servers that replicate each other's accounts need the same one.</summary>
    public string? AdministratorPassword { get; init; }

    /// <summary>InnoDB's buffer pool, in MiB.</summary>
    public int BufferPoolMiB { get; init; } = 128;

    /// <summary>Connections the server accepts at once.</summary>
    public int ConnectionsMax { get; init; } = 500;
}
