using System.Diagnostics;
using System.Text.Json;

namespace Seckill.Bench.Target;

/// <summary>The addresses of a running system.</summary>
/// <param name="Api">Base address of the gate.</param>
/// <param name="Redis">StackExchange.Redis connection string.</param>
/// <param name="MySql">MySqlConnector connection string.</param>
/// <param name="SigningKey">Key of the gate's tokens where the file names one; Aspire makes a key of its own for each machine.</param>
public sealed record SystemAddresses(Uri Api, string Redis, string MySql, string? SigningKey)
{
    private const string LocalFile = ".seckill/local.json";

    /// <summary>
    /// Takes each address from the option, then from the environment variables that Aspire and Compose set, then from the file that the
    /// local AppHost keeps while it runs.
    /// </summary>
    /// <exception cref="TargetException">An address is missing or malformed; the message says what to do.</exception>
    public static async Task<SystemAddresses> FindAsync(string? api, string? redis, string? mySql, CancellationToken cancellationToken)
    {
        api ??= Variable("SECKILL_API") ?? Variable("services__api__http__0");
        redis ??= Variable("ConnectionStrings__redis");
        mySql ??= Variable("ConnectionStrings__mysql");
        string? signingKey = null;
        if (api is null || redis is null || mySql is null)
        {
            var file = FindUpwards(Environment.CurrentDirectory)
                ?? throw new TargetException("Nothing is running here: start it with ./seckill up (or give --api, --redis and --mysql).");
            var local = await ReadAsync(file, cancellationToken);
            api ??= local.Api?.ToString();
            redis ??= local.Redis;
            mySql ??= local.MySql;
            signingKey = local.SigningKey;
        }

        return Uri.TryCreate(api, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? new SystemAddresses(address, redis, mySql, signingKey)
            : throw new TargetException($"'{api}' is not an http address.");
    }

    private static string? Variable(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    /// <summary>The nearest folder upwards that holds the file: the command works from anywhere in the repository.</summary>
    private static string? FindUpwards(string folder)
    {
        for (var at = new DirectoryInfo(folder); at is not null; at = at.Parent)
        {
            var file = Path.Combine(at.FullName, LocalFile);
            if (File.Exists(file))
            {
                return file;
            }
        }

        return null;
    }

    private static bool Runs(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static async Task<SystemAddresses> ReadAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = File.OpenRead(file);
            using var document = await JsonDocument.ParseAsync(stream, cancellationToken: cancellationToken);
            var strings = document.RootElement.GetProperty("connectionStrings");
            // A killed run leaves its file behind.
            if (!Runs(document.RootElement.GetProperty("processes").GetProperty("apphost").GetInt32()))
            {
                throw new TargetException("The system has stopped: start it with ./seckill up.");
            }

            return new SystemAddresses(
                new Uri(document.RootElement.GetProperty("api").GetString()!),
                strings.GetProperty("redis").GetString()!,
                strings.GetProperty("mysql").GetString()!,
                document.RootElement.TryGetProperty("signingKey", out var key) ? key.GetString() : null);
        }
        catch (Exception exception)
            when (exception is JsonException or KeyNotFoundException or InvalidOperationException or IOException or UriFormatException)
        {
            throw new TargetException($"{file} cannot be read ({exception.Message}). Is the system still starting?", exception);
        }
    }
}

/// <summary>The system to drive cannot be reached or used; the message is for the person at the terminal.</summary>
public sealed class TargetException : Exception
{
    public TargetException()
    {
    }

    public TargetException(string message) : base(message)
    {
    }

    public TargetException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
