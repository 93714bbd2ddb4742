using System.Diagnostics;
using MySqlConnector;

namespace Seckill.LocalServers;

/// <summary>A private MySQL or MariaDB with full durability: a commit is on disk before it is answered.</summary>
public sealed class MySqlServer : LocalServer
{
    private const string User = "seckill";
    private const string SocketFile = "mysql.sock";
    private const int PredecessorWaitMs = 30_000;
    private const int PredecessorProbeIntervalMs = 50;

    private readonly MySqlServerOptions _options;
    private readonly string _binary;

    private MySqlServer(MySqlServerOptions options, string binary)
        : base("mysql", options)
    {
        _options = options;
        _binary = binary;
    }

    /// <summary>A MySqlConnector string that names the database.</summary>
    public override string ConnectionString =>
        $"Server=127.0.0.1;Port={Port};Database={_options.Database};User ID={User};Password={Password};"
            + "SslMode=Disabled;AllowPublicKeyRetrieval=True";

    /// <summary>The same for another database, which need not exist yet.</summary>
    public string ConnectionStringOf(string database) =>
        new MySqlConnectionStringBuilder(ConnectionString) { Database = database }.ConnectionString;

    /// <summary>Starts it, and returns once it answers a query in its database.</summary>
    /// <exception cref="LocalServerException">It is not installed, or did not answer in time.</exception>
    public static Task<MySqlServer> StartAsync(MySqlServerOptions options, CancellationToken cancellationToken = default)
    {
        var binary = ServerBinaries.Find(options, "SECKILL_MYSQL_SERVER", ["mysqld", "mariadbd"], "mariadb-server");
        return StartedAsync(new MySqlServer(options, binary), cancellationToken);
    }

    private protected override async Task LaunchAsync(CancellationToken cancellationToken)
    {
        if (!Directory.EnumerateFileSystemEntries(ServerFolder).Any())
        {
            await InitializeAsync(cancellationToken);
        }

        await WaitForPredecessorAsync(cancellationToken);

        var temporary = Directory.CreateDirectory(Path.Combine(DataFolder, "tmp")).FullName;
        var initFile = Path.Combine(DataFolder, "init.sql");
        PrivateFile.Write(initFile, $"""
            CREATE DATABASE IF NOT EXISTS `{_options.Database}` CHARACTER SET utf8mb4;
            CREATE USER IF NOT EXISTS '{User}'@'%' IDENTIFIED BY '{Password}';
            GRANT ALL PRIVILEGES ON *.* TO '{User}'@'%' WITH GRANT OPTION;

            """);
        string[] command =
        [
            _binary, "--no-defaults",
            .. AsRoot(),
            $"--datadir={ServerFolder}",
            $"--tmpdir={temporary}", $"--secure-file-priv={temporary}",
            $"--init-file={initFile}",
            $"--port={Port}", "--bind-address=127.0.0.1", "--skip-name-resolve",
            // Relative to the data folder: a socket's whole path may have 107 characters at most.
            $"--socket={SocketFile}", "--pid-file=mysql.pid", "--loose-mysqlx=OFF",
            "--character-set-server=utf8mb4",
            $"--max-connections={_options.ConnectionsMax}",
            $"--innodb-buffer-pool-size={_options.BufferPoolMiB}M",
            "--innodb-flush-log-at-trx-commit=1",
            "--performance-schema=OFF",
            .. _options.ExtraArguments,
        ];
        await RunAsync(command, new Dictionary<string, string> { ["HOME"] = DataFolder });
    }

    private protected override async Task<string> ProbeAsync(CancellationToken cancellationToken)
    {
        await using var connection = new MySqlConnection(ConnectionString + ";Pooling=False");
        await connection.OpenAsync(cancellationToken);
        await using var command = new MySqlCommand("SELECT VERSION()", connection);
        return (string)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    // A killed server leaves the lock of its socket behind, with its process id, and may still be giving back its memory. The next one
    // would refuse to start if any process had that id by then.
    private async Task WaitForPredecessorAsync(CancellationToken cancellationToken)
    {
        var lockFile = Path.Combine(ServerFolder, SocketFile + ".lock");
        if (!File.Exists(lockFile))
        {
            return;
        }

        var started = Stopwatch.GetTimestamp();
        var predecessor = (await File.ReadAllTextAsync(lockFile, cancellationToken)).Trim();
        while (RunsHere(predecessor))
        {
            if (Stopwatch.GetElapsedTime(started).TotalMilliseconds >= PredecessorWaitMs)
            {
                throw new LocalServerException($"mysql: process {predecessor} still uses {ServerFolder}");
            }

            await Task.Delay(PredecessorProbeIntervalMs, cancellationToken);
        }

        File.Delete(lockFile);
    }

    private bool RunsHere(string processId)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/cmdline").Contains(ServerFolder, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    // Under another name until it is complete: a start that was interrupted must not leave half a database behind.
    private async Task InitializeAsync(CancellationToken cancellationToken)
    {
        var unfinished = ServerFolder + ".unfinished";
        if (Directory.Exists(unfinished))
        {
            Directory.Delete(unfinished, recursive: true);
        }

        var installer = IsMariaDb()
            ? ServerBinaries.Search(Root, Path.Combine(Path.GetDirectoryName(_binary)!, "mariadb-install-db"), "mariadb-install-db")
                ?? throw new LocalServerException("mariadb-install-db not found: install it with apt-get install mariadb-server")
            : null;
        // Relative to the working folder (a bare name would be relative to the installation), because the script takes a path with spaces
        // apart.
        string[] command = installer is null
            ? [_binary, "--no-defaults", "--initialize-insecure", .. AsRoot(), $"--datadir={unfinished}"]
            : [installer, "--no-defaults", .. AsRoot(), $"--datadir=./{Path.GetRelativePath(DataFolder, unfinished)}",
                "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"];
        await RunToEndAsync(command, cancellationToken);
        Directory.Delete(ServerFolder);
        Directory.Move(unfinished, ServerFolder);
    }

    // Debian's mysqld is a link to mariadbd where MariaDB is installed.
    private bool IsMariaDb()
    {
        var file = new FileInfo(Root + _binary);
        return (file.ResolveLinkTarget(returnFinalTarget: true) ?? file).Name.Contains("maria", StringComparison.Ordinal);
    }

    private static string[] AsRoot() => Environment.IsPrivilegedProcess ? ["--user=root"] : [];
}
