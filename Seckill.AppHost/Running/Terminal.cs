namespace Seckill.AppHost.Running;

/// <summary>Lines for the person who started the AppHost.</summary>
internal static class Terminal
{
    private static bool _isClosed;

    public static void Say(string text) => Write(Console.Out, text);

    public static void SayError(string text) => Write(Console.Error, text);

    // A closed terminal must not prevent the stop.
    private static void Write(TextWriter writer, string text)
    {
        if (_isClosed)
        {
            return;
        }

        try
        {
            foreach (var line in text.Split('\n'))
            {
                writer.WriteLine($"seckill | {line}");
            }
        }
        catch (IOException)
        {
            _isClosed = true;
        }
    }
}
