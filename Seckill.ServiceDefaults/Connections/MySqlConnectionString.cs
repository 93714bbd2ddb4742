using System.Data.Common;
using MySqlConnector;

namespace Seckill.ServiceDefaults.Connections;

/// <summary>The connection string of MySQL, in the form of MySqlConnector.</summary>
internal static class MySqlConnectionString
{
    private const string Form =
        "Server=host;Port=3306;Database=...;User ID=...;Password=...; a value with a semicolon or a quote is put in (other) quotes";

    /// <summary>Reads the string.</summary>
    /// <exception cref="ConnectionStringException">It cannot be used.</exception>
    public static MySqlConnectionStringBuilder Parse(string name, string? connectionString)
    {
        if (string.IsNullOrWhiteSpace(connectionString))
        {
            throw new ConnectionStringException(name, "is missing or empty", Form);
        }

        MySqlConnectionStringBuilder builder;
        try
        {
            builder = new MySqlConnectionStringBuilder(connectionString);
            // Values are converted when they are first read.
            foreach (string key in ((DbConnectionStringBuilder)builder).Keys)
            {
                _ = builder[key];
            }
        }
        catch (Exception exception)
            when (exception is ArgumentException or FormatException or OverflowException or InvalidOperationException)
        {
            // The client's message would repeat the unreadable text, which may be part of a password.
            throw new ConnectionStringException(name, "cannot be read", Form);
        }

        return string.IsNullOrWhiteSpace(builder.Server) ? throw new ConnectionStringException(name, "names no server", Form) : builder;
    }
}
