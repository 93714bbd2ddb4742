namespace Seckill.LocalServers;

/// <summary>A local server is missing, or did not start. The message is for the user at the terminal.</summary>
public sealed class LocalServerException : Exception
{
    public LocalServerException()
    {
    }

    public LocalServerException(string message)
        : base(message)
    {
    }

    public LocalServerException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
