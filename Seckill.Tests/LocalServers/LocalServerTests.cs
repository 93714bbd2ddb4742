using System.Globalization;
using System.Text;
using MySqlConnector;
using RabbitMQ.Client;
using StackExchange.Redis;

namespace Seckill.Tests.LocalServers;

/// <summary>
/// Each private server answers, whatever its folder's name, keeps its data through SIGKILL, can be restarted at the same address, and is
/// closed to the other users of the machine.
/// </summary>
public sealed class LocalServerTests : IDisposable
{
    private const UnixFileMode Others =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private readonly DirectoryInfo _parent = Directory.CreateTempSubdirectory("seckill-folder-");
    private readonly string _folder;
    private readonly SharedServers _shared;
    private readonly ITestOutputHelper _output;

    public LocalServerTests(SharedServers shared, ITestOutputHelper output)
    {
        (_shared, _output) = (shared, output);
        // Lets servers under accounts of their own reach the folder.
        PrivateFile.MakeFolder(_parent.FullName);
        _folder = Path.Combine(_parent.FullName, "flash  sale #1 = 100% 秒杀");
        PrivateFile.MakeFolder(_folder);
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _parent.Delete(recursive: true);

    [Fact]
    public async Task A_folder_that_RabbitMQ_would_hang_at_is_refused()
    {
        var folder = Path.Combine(_parent.FullName, "it's");
        var refusal = await Assert.ThrowsAsync<LocalServerException>(
            () => RabbitMqServer.StartAsync(new RabbitMqServerOptions { DataFolder = folder }, Cancelled));
        Assert.StartsWith(
            $"rabbitmq: {folder} contains a character that RabbitMQ passes to a shell", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Redis_keeps_what_was_answered_over_a_kill()
    {
        await using var redis = await RedisServer.StartAsync(
            new RedisServerOptions { AppendFsyncAlways = true, DataFolder = Path.Combine(_folder, "redis") }, Cancelled);
        _output.WriteLine($"redis {redis.Version}");
        await using (var connection = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString + ",connectTimeout=30000"))
        {
            Assert.True(await connection.GetDatabase().StringSetAsync("stock:sku:1001", 7));
        }

        await CrashAndRestartAsync(redis);

        await using var again = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString + ",connectTimeout=30000");
        Assert.Equal(7, (int)await again.GetDatabase().StringGetAsync("stock:sku:1001"));
        Assert.Equal("noeviction", (string?)(await again.GetDatabase().ExecuteAsync("CONFIG", "GET", "maxmemory-policy"))[1]);
        AssertClosedToOthers(redis);
    }

    [Fact]
    public async Task RabbitMQ_keeps_confirmed_messages_over_a_kill()
    {
        await using var rabbit = await RabbitMqServer.StartAsync(
            new RabbitMqServerOptions { DataFolder = Path.Combine(_folder, "rabbitmq"), VirtualHosts = ["shop"] }, Cancelled);
        _output.WriteLine($"rabbitmq {rabbit.Version}");
        var factory = new ConnectionFactory { Uri = new Uri(rabbit.ConnectionStringOf("shop")), AutomaticRecoveryEnabled = false };
        var quorum = new Dictionary<string, object?> { ["x-queue-type"] = "quorum" };
        await using (var connection = await factory.CreateConnectionAsync(Cancelled))
        {
            await using var channel = await connection.CreateChannelAsync(cancellationToken: Cancelled);
            await channel.QueueDeclareAsync("q", durable: true, exclusive: false, autoDelete: false, quorum, cancellationToken: Cancelled);
        }

        // RabbitMQ writes a new quorum queue's name to disk up to half a second late, and a queue whose name is lost begins empty.
        // That is about new queues; this test is about messages, so the queue must be an old one.
        await rabbit.RestartAsync(Cancelled);
        await using (var connection = await factory.CreateConnectionAsync(Cancelled))
        {
            await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), Cancelled);
            await channel.BasicPublishAsync(
                "", "q", mandatory: true, new BasicProperties { Persistent = true }, "kept"u8.ToArray(), Cancelled);
        }

        await CrashAndRestartAsync(rabbit);

        await using var again = await factory.CreateConnectionAsync(Cancelled);
        await using var reader = await again.CreateChannelAsync(cancellationToken: Cancelled);
        var message = await Deadline.UntilAsync(
            () => reader.BasicGetAsync("q", autoAck: true, Cancelled), got => got is not null, Cancelled);
        Assert.Equal("kept", Encoding.UTF8.GetString(message!.Body.Span));
        AssertClosedToOthers(rabbit);
    }

    [Fact]
    public async Task MySQL_keeps_commits_over_a_kill()
    {
        var open = Directory.CreateDirectory(Path.Combine(_folder, "mysql", "tmp"));
        if (!OperatingSystem.IsWindows())
        {
            open.UnixFileMode |= Others;
        }

        await using var mysql = await MySqlServer.StartAsync(
            new MySqlServerOptions { DataFolder = Path.Combine(_folder, "mysql") }, Cancelled);
        _output.WriteLine($"mysql {mysql.Version}");
        await ExecuteAsync(mysql, "CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR(10)); INSERT INTO t VALUES (1, '秒杀🧧')");

        await CrashAndRestartAsync(mysql);

        Assert.Equal("秒杀🧧", await ExecuteAsync(mysql, "SELECT name FROM t WHERE id = 1"));
        Assert.Equal("utf8mb4", await ExecuteAsync(mysql, "SELECT @@character_set_database"));
        Assert.Equal(1L, Convert.ToInt64(await ExecuteAsync(mysql, "SELECT @@innodb_flush_log_at_trx_commit"), null));
        AssertClosedToOthers(mysql);
    }

    [Fact]
    public async Task Two_brokers_live_side_by_side_and_one_that_ends_leaves_nothing_behind()
    {
        var first = await _shared.RabbitMqAsync();
        var second = await RabbitMqServer.StartAsync(new RabbitMqServerOptions(), Cancelled);
        var folder = second.DataFolder;
        Assert.NotEmpty(Processes.Mentioning(folder));
        await second.DisposeAsync();

        await Deadline.UntilAsync(() => Task.FromResult(Processes.Mentioning(folder)), left => left.Count == 0, Cancelled);
        Assert.False(Directory.Exists(folder));
        Assert.True(first.Runs);
        await using var connection = await new ConnectionFactory { Uri = new Uri(first.ConnectionString) }.CreateConnectionAsync(Cancelled);
    }

    [Fact]
    public async Task A_taken_port_is_refused_and_its_owner_left_alone()
    {
        await using var owner = await RedisServer.StartAsync(new RedisServerOptions(), Cancelled);
        var refusal = await Assert.ThrowsAsync<LocalServerException>(
            () => RedisServer.StartAsync(new RedisServerOptions { Port = owner.Port }, Cancelled));
        Assert.Equal($"redis: port {owner.Port} on 127.0.0.1 is taken", refusal.Message);
        Assert.False(owner.Exited.IsCompleted);
    }

    [Fact]
    public async Task A_server_that_ends_while_starting_says_why()
    {
        var options = new RedisServerOptions { ExtraArguments = ["--no-such-option", "1"] };
        var failure = await Assert.ThrowsAsync<LocalServerException>(() => RedisServer.StartAsync(options, Cancelled));
        Assert.Contains("ended with exit code 1 while starting", failure.Message, StringComparison.Ordinal);
        Assert.Contains("no-such-option", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_server_says_what_to_install()
    {
        var here = Assert.Throws<LocalServerException>(
            () => ServerBinaries.Find(
                new RedisServerOptions { ServersRoot = null }, "SECKILL_NO_SERVER", ["no-server", "none"], "some-package"));
        Assert.Equal("no-server or none not found: ./seckill prepare installs it (package some-package)", here.Message);
    }

    [Fact]
    public async Task A_servers_root_without_the_server_says_how_to_get_it()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "servers in a root need root, and are refused earlier");
        var root = Directory.CreateTempSubdirectory("seckill-root-");
        var refusal = await Assert.ThrowsAsync<LocalServerException>(
            () => RedisServer.StartAsync(new RedisServerOptions { ServersRoot = root.FullName }, Cancelled));
        root.Delete();
        Assert.Equal($"redis-server not found in {root.FullName}: run scripts/todays-servers.sh --refresh", refusal.Message);
    }

    private static async Task CrashAndRestartAsync(LocalServer server)
    {
        var killed = server.ProcessId;
        server.Kill();
        Assert.Equal(128 + 9, await server.Exited.WaitAsync(TimeSpan.FromSeconds(10), Cancelled));
        await server.RestartAsync(Cancelled);
        Assert.NotEqual(killed, server.ProcessId);
    }

    /// <summary>No other account can read or change what a server writes, and none of them runs as root.</summary>
    private static void AssertClosedToOthers(LocalServer server)
    {
        // Passing through a folder gives no right to its content; it is for the account that the server runs under.
        var found = new DirectoryInfo(server.DataFolder).EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            // The server goes on creating and removing files while this reads; all bits of a removed one's mode are set.
            .Where(entry => entry.Exists)
            // The server sets the modes of these itself, and certificates are public; their folder is closed.
            .Where(entry => entry.LinkTarget is null && entry.Name is not ("mysql.sock" or "mysql.pid")
                && !entry.Name.EndsWith("cert.pem", StringComparison.Ordinal) && entry.Name is not ("ca.pem" or "public_key.pem"))
            .Where(entry => (entry.UnixFileMode & Others & ~(entry is DirectoryInfo ? UnixFileMode.OtherExecute : 0)) != 0)
            .Select(entry => $"{entry.FullName} {entry.UnixFileMode}");
        Assert.Equal("", string.Join('\n', found));

        // Servers in a root of their own run under the account that starts them, and only root can start them under another.
        if (Environment.IsPrivilegedProcess && Environment.GetEnvironmentVariable("SECKILL_SERVERS_ROOT") is null or "")
        {
            Assert.NotEqual("root", server.Account);
            Assert.NotEqual(0, UserOf(server.ProcessId));
        }
    }

    private static int UserOf(int processId) => int.Parse(
        File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1],
        CultureInfo.InvariantCulture);

    private static async Task<object?> ExecuteAsync(MySqlServer server, string sql)
    {
        await using var connection = new MySqlConnection(server.ConnectionString + ";Pooling=False");
        await connection.OpenAsync(Cancelled);
        await using var command = new MySqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Cancelled);
    }
}
