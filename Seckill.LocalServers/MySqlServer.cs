using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using MySqlConnector;

namespace Seckill.LocalServers;

/// <summary>A private MySQL or MariaDB with full durability: a commit is on disk before the reply.</summary>
public sealed class MySqlServer : LocalServer
{
    private const string User = "seckill";
    private const string Administrator = "administrator";

    /// <summary>
    /// MariaDB's installer leaves several administrators without a password, at names that differ by machine. Its own account for views can
    /// log in nowhere.
    /// </summary>
    private static readonly string[] DropWithoutPassword =
    [
        "SET @open = (SELECT GROUP_CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user "
            + "WHERE user IN ('root', '') OR (authentication_string = '' AND host <> '' AND user <> 'mariadb.sys'))",
        "SET @drop = IF(@open IS NULL, 'DO 0', CONCAT('DROP USER ', @open))",
        "PREPARE dropping FROM @drop",
        "EXECUTE dropping",
        "DEALLOCATE PREPARE dropping",
    ];

    /// <summary>The server ignores its parent's umask; it uses this one.</summary>
    private static readonly Dictionary<string, string> OwnFilesOnly = new() { ["UMASK"] = "0600", ["UMASK_DIR"] = "0700" };

    private const string SocketFile = "mysql.sock";
    private const int PredecessorWaitMs = 30_000;
    private const int PredecessorProbeIntervalMs = 50;

    private readonly MySqlServerOptions _options;
    private readonly string _binary;
    private readonly string _administratorPassword;

    /// <summary>Databases that the application's account may use.</summary>
    private readonly ConcurrentDictionary<string, bool> _databases = new();

    private MySqlServer(MySqlServerOptions options, string binary)
        : base("mysql", options, binary)
    {
        _options = options;
        _binary = binary;
        _administratorPassword = options.AdministratorPassword ?? RandomNumberGenerator.GetHexString(24, lowercase: true);
        _databases[options.Database] = true;
    }

    /// <summary>A MySqlConnector string that names the database.</summary>
    public override string ConnectionString =>
        $"Server=127.0.0.1;Port={Port};Database={_options.Database};User ID={User};Password={Password};"
            + "SslMode=Disabled;AllowPublicKeyRetrieval=True";

    /// <summary>The same for a database of <see cref="AddDatabaseAsync"/>.</summary>
    public string ConnectionStringOf(string database) =>
        new MySqlConnectionStringBuilder(ConnectionString) { Database = database }.ConnectionString;

    /// <summary>Connection string of the administrator account; only with <see cref="MySqlServerOptions.WithAdministrator"/>.</summary>
    public string AdministratorConnectionString => _options.WithAdministrator
        ? new MySqlConnectionStringBuilder(ConnectionString) { UserID = Administrator, Password = _administratorPassword }.ConnectionString
        : throw new InvalidOperationException("This server has no administrator.");

    /// <summary>Lets the application's account use another database, which need not exist yet; needs the administrator.</summary>
    public async Task AddDatabaseAsync(string database, CancellationToken cancellationToken)
    {
        _databases[database] = true;
        await using var connection = new MySqlConnection(AdministratorConnectionString + ";Pooling=False");
        await connection.OpenAsync(cancellationToken);
        await using var grant = new MySqlCommand(GrantOn(database), connection);
        await grant.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Starts it, and returns once it answers a query in its database.</summary>
    /// <exception cref="LocalServerException">It is not installed, or did not answer in time.</exception>
    public static Task<MySqlServer> StartAsync(MySqlServerOptions options, CancellationToken cancellationToken = default)
    {
        var binary = ServerBinaries.Find(options, "SECKILL_MYSQL_SERVER", ["mysqld", "mariadbd"], "mariadb-server");
        return StartedAsync(new MySqlServer(options, binary), cancellationToken);
    }

    private protected override async Task LaunchAsync(CancellationToken cancellationToken)
    {
        var temporary = Path.Combine(DataFolder, "tmp");
        await GiveToServerAsync(temporary, cancellationToken);
        if (!Directory.EnumerateFileSystemEntries(ServerFolder).Any())
        {
            await InitializeAsync(temporary, cancellationToken);
        }

        await WaitForPredecessorAsync(cancellationToken);

        var initFile = Path.Combine(DataFolder, "init.sql");
        WriteForServer(initFile, Accounts());
        string[] command =
        [
            _binary, "--no-defaults", .. AsRoot(),
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
        await RunAsync(command, new Dictionary<string, string>(OwnFilesOnly) { ["HOME"] = DataFolder });
    }

    /// <summary>
    /// Runs at each start, so that a folder of an older version loses its open accounts, too. One statement per line, as both servers read
    /// it.
    /// </summary>
    private string Accounts()
    {
        string[] administrator = _options.WithAdministrator
            ? [
                $"CREATE USER '{Administrator}'@'%' IDENTIFIED BY '{_administratorPassword}'",
                $"GRANT ALL PRIVILEGES ON *.* TO '{Administrator}'@'%' WITH GRANT OPTION",
            ]
            : [];
        string[] statements =
        [
            $"CREATE DATABASE IF NOT EXISTS {Quoted(_options.Database)} CHARACTER SET utf8mb4",
            .. DropWithoutPassword,
            $"CREATE USER IF NOT EXISTS '{User}'@'%' IDENTIFIED BY '{Password}'",
            $"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{User}'@'%'",
            .. _databases.Keys.Select(GrantOn),
            $"DROP USER IF EXISTS '{Administrator}'@'%'",
            .. administrator,
        ];
        return string.Concat(statements.Select(statement => statement + ";\n"));
    }

    /// <summary>The application's account has all rights in its databases, including migrations, and none elsewhere.</summary>
    private static string GrantOn(string database) =>
        // In a grant an underscore stands for any character, unless it is escaped.
        $"GRANT ALL PRIVILEGES ON {Quoted(database.Replace("_", "\\_", StringComparison.Ordinal))}.* TO '{User}'@'%'";

    private static string Quoted(string name) => $"`{name.Replace("`", "``", StringComparison.Ordinal)}`";

    private protected override async Task<string> ProbeAsync(CancellationToken cancellationToken)
    {
        await using var connection = new MySqlConnection(ConnectionString + ";Pooling=False");
        await connection.OpenAsync(cancellationToken);
        await using var command = new MySqlCommand("SELECT VERSION()", connection);
        return (string)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    // A killed server leaves its socket's lock file with its process id behind, and may still be releasing its memory. The next one
    // would refuse to start if another process has that id by then.
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

    // The folder has another name until it is complete: an interrupted start must not leave half a database behind.
    private async Task InitializeAsync(string temporary, CancellationToken cancellationToken)
    {
        var unfinished = ServerFolder + ".unfinished";
        if (Directory.Exists(unfinished))
        {
            Directory.Delete(unfinished, recursive: true);
        }

        await GiveToServerAsync(unfinished, cancellationToken);
        var installer = IsMariaDb()
            ? ServerBinaries.Search(Root, Path.Combine(Path.GetDirectoryName(_binary)!, "mariadb-install-db"), "mariadb-install-db")
                ?? throw new LocalServerException("mariadb-install-db not found: install it with apt-get install mariadb-server")
            : null;
        // Relative to the working folder (a bare name would be relative to the installation), because the script splits paths at spaces.
        string[] command = installer is null
            ? [_binary, "--no-defaults", "--initialize-insecure", .. AsRoot(), $"--datadir={unfinished}"]
            : [installer, "--no-defaults", .. AsRoot(), $"--datadir=./{Path.GetRelativePath(DataFolder, unfinished)}",
                "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"];
        // In a shared folder, a starting server removes the files of another one.
        await RunToEndAsync(command, new Dictionary<string, string>(OwnFilesOnly) { ["TMPDIR"] = temporary }, cancellationToken);
        Directory.Delete(ServerFolder);
        Directory.Move(unfinished, ServerFolder);
    }

    // Debian's mysqld is a link to mariadbd where MariaDB is installed.
    private bool IsMariaDb()
    {
        var file = new FileInfo(Root + _binary);
        return (file.ResolveLinkTarget(returnFinalTarget: true) ?? file).Name.Contains("maria", StringComparison.Ordinal);
    }

    // As root only if no other account can reach the folder.
    private string[] AsRoot() => Environment.IsPrivilegedProcess && Account == Environment.UserName ? ["--user=root"] : [];
}
