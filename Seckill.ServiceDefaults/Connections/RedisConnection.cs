using StackExchange.Redis;

namespace Seckill.ServiceDefaults.Connections;

/// <summary>The connection string of Redis, in the form of StackExchange.Redis.</summary>
internal static class RedisConnection
{
    private const string Form =
        "host:6379,password=...,option=value; hosts come first, several for a cluster, and no value can hold a comma";

    /// <summary>Returns the string, checked.</summary>
    /// <exception cref="ConnectionStringException">It cannot be used.</exception>
    public static string Check(string name, string? connectionString)
    {
        if (string.IsNullOrWhiteSpace(connectionString))
        {
            throw new ConnectionStringException(name, "is missing or empty", Form);
        }

        if (connectionString.Contains("://", StringComparison.Ordinal) && !IsValue(connectionString, "://"))
        {
            throw new ConnectionStringException(name, "is a URI, which the client does not read", Form);
        }

        var parts = connectionString.Split(',', StringSplitOptions.TrimEntries);
        var options = false;
        for (var i = 0; i < parts.Length; i++)
        {
            // After an option it is more likely the rest of a password with a comma than another host.
            if (parts[i].Length > 0 && options && !parts[i].Contains('=', StringComparison.Ordinal))
            {
                throw new ConnectionStringException(name, $"has a host, or the rest of a value, after its options (part {i + 1})", Form);
            }

            options |= parts[i].Contains('=', StringComparison.Ordinal);
            if (!Reads(parts[i]))
            {
                throw new ConnectionStringException(name, $"cannot be read (part {i + 1})", Form);
            }
        }

        return ConfigurationOptions.Parse(connectionString).EndPoints.Count > 0
            ? connectionString
            : throw new ConnectionStringException(name, "names no host", Form);
    }

    /// <summary>Whether the first occurrence of a text is in an option's value, as in a password.</summary>
    private static bool IsValue(string connectionString, string text)
    {
        var before = connectionString[..connectionString.IndexOf(text, StringComparison.Ordinal)];
        return before[(before.LastIndexOf(',') + 1)..].Contains('=', StringComparison.Ordinal);
    }

    /// <summary>The client's own message would repeat the unreadable text, which may be part of a password.</summary>
    private static bool Reads(string part)
    {
        try
        {
            ConfigurationOptions.Parse(part);
            return true;
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException)
        {
            return false;
        }
    }
}
