using System.Globalization;
using System.Text;
using MySqlConnector;

namespace Seckill.OrderWorker.Writing;

/// <summary>Writes values into the text of a statement.</summary>
internal static class SqlText
{
    /// <summary>Numbers with commas between them.</summary>
    public static StringBuilder AppendList(this StringBuilder sql, IEnumerable<long> values)
    {
        var count = 0;
        foreach (var value in values)
        {
            sql.Append(count++ == 0 ? "" : ",").Append(value);
        }

        return sql;
    }

    /// <summary>Adds a string parameter and returns its name for the text.</summary>
    public static string Parameter(this MySqlCommand command, string value)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"@p{command.Parameters.Count}");
        command.Parameters.Add(new MySqlParameter(name, value));
        return name;
    }
}
