using Microsoft.EntityFrameworkCore;
using RabbitMQ.Client;
using Seckill.ServiceDefaults.Connections;
using StackExchange.Redis;

namespace Seckill.ServiceDefaults;

/// <summary>
/// How the clients of the three servers behave. No server needs to be up when an application starts: every wait has a bound, and the
/// application's own loops connect again.
/// </summary>
internal static class ClientDefaults
{
    public const string Redis = "redis";
    public const string RabbitMQ = "rabbitmq";
    public const string MySql = "mysql";

    /// <summary>
    /// The SQL dialect. What EF generates for MySQL 8.0 also runs on MySQL 8.4 and 9 and on MariaDB 10.11 (no RETURNING). It is
    /// written down because detecting it would open a connection, synchronously, before the application can start.
    /// </summary>
    public const string MySqlServerVersion = "8.0.40-mysql";

    private const int ConnectTimeoutMs = 3_000;
    private const int ReconnectIntervalMs = 1_000;

    /// <summary>Time-out of one Redis command: most take less than a millisecond, and a buyer waits for it.</summary>
    private const int CommandTimeoutMs = 1_000;

    /// <summary>How often the client checks for timed-out commands.</summary>
    private const int HeartbeatMs = 250;
    private const int ConnectTimeoutSeconds = 5;
    private const int HeartbeatSeconds = 5;
    private const int ConnectionLifeTimeSeconds = 300;

    /// <summary>
    /// Maximum bytes of one message. A larger one ends the connection before any of it is buffered; otherwise a few messages could use up
    /// the memory of the whole process. Brokers that we start refuse such messages in the first place.
    /// </summary>
    public const int RabbitMQMessageBytesMax = 2_097_152;

    /// <summary>
    /// Only the first connection attempt is awaited. Further attempts continue in the background every second, without back-off, because
    /// each second without Redis is a second without sales. Without a connection, a command fails at once instead of waiting for one: every
    /// caller either retries in a loop or serves a buyer, who should be told at once.
    /// </summary>
    public static void Configure(ConfigurationOptions redis)
    {
        redis.AbortOnConnectFail = false;
        redis.ConnectTimeout = ConnectTimeoutMs;
        redis.ConnectRetry = 1;
        redis.ReconnectRetryPolicy = new LinearRetry(ReconnectIntervalMs);
        redis.BacklogPolicy = BacklogPolicy.FailFast;
        redis.HeartbeatInterval = TimeSpan.FromMilliseconds(HeartbeatMs);

        // Channels have fixed names, as keys do, and scripts publish to them: the client's prefix would apply only to its subscriptions.
        redis.ChannelPrefix = default;

        // Sets both, because a longer syncTimeout keeps asynchronous commands waiting, too. A connection string that names either is left
        // alone.
        var given = redis.ToString();
        if (!given.Contains("asyncTimeout=", StringComparison.OrdinalIgnoreCase)
            && !given.Contains("syncTimeout=", StringComparison.OrdinalIgnoreCase))
        {
            redis.SyncTimeout = CommandTimeoutMs;
            redis.AsyncTimeout = CommandTimeoutMs;
        }
    }

    /// <summary>
    /// Recovery is off: the user of a connection notices its end and opens a new one, because an automatic recovery can leave
    /// publishers of the old connection waiting for confirms that never come.
    /// </summary>
    public static void Configure(ConnectionFactory rabbitMQ, string applicationName)
    {
        rabbitMQ.ClientProvidedName = applicationName;
        rabbitMQ.AutomaticRecoveryEnabled = false;
        rabbitMQ.TopologyRecoveryEnabled = false;
        rabbitMQ.RequestedConnectionTimeout = TimeSpan.FromSeconds(ConnectTimeoutSeconds);
        rabbitMQ.RequestedHeartbeat = TimeSpan.FromSeconds(HeartbeatSeconds);
        rabbitMQ.MaxInboundMessageBodySize = RabbitMQMessageBytesMax;
    }

    /// <summary>The interceptors of every context.</summary>
    public static void Configure(DbContextOptionsBuilder mySql) =>
        mySql.AddInterceptors(new SessionSettingsInterceptor(), new SwitchOverInterceptor(), new ImpossibleDatesInterceptor());

    /// <summary>Bounds the wait for a connection, unless the connection string names a bound itself.</summary>
    /// <exception cref="ConnectionStringException">The connection string is missing or cannot be used.</exception>
    public static string ConfigureMySql(string? connectionString)
    {
        var builder = MySqlConnectionString.Parse(MySql, connectionString);
        if (!builder.ContainsKey("Connection Timeout"))
        {
            builder.ConnectionTimeout = ConnectTimeoutSeconds;
        }

        // A date of zeros, which MariaDB accepts, would abort the reading of all other rows. ImpossibleDatesInterceptor covers other dates
        // that do not exist.
        builder.ConvertZeroDateTime = true;
        if (!builder.ContainsKey("Connection Lifetime"))
        {
            // After a switch-over the pool moves to the new primary by itself, even if nothing has failed.
            builder.ConnectionLifeTime = ConnectionLifeTimeSeconds;
        }

        return builder.ConnectionString;
    }
}
