namespace Seckill.ServiceDefaults.Connections;

/// <summary>A connection string that cannot be used. The message is one line that names the setting and never the value.</summary>
public sealed class ConnectionStringException(string name, string reason, string form)
    : Exception($"ConnectionStrings:{name} {reason}. Its form is {form}.")
{
    private const int WrongSettings = 2;

    /// <summary>Prints only this message as the reason why the process cannot start.</summary>
    /// <returns>The process's exit code.</returns>
    public async Task<int> EndAsync()
    {
        await Console.Error.WriteLineAsync(Message);
        return WrongSettings;
    }
}
