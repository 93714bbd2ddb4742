namespace Seckill.AppHost.Local;

/// <summary>Lines of several resources on one terminal, each with its resource's name and colour before it.</summary>
internal sealed class ConsoleLog
{
    private const int NameWidth = 13;
    private static readonly int[] Palette = [36, 33, 35, 32, 34, 96, 93, 95, 92, 94];

    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _colours = [];
    private bool _closed;

    /// <summary>Colours go to a terminal only, and never where NO_COLOR is set.</summary>
    public bool Coloured { get; } =
        !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    public void Write(string resource, string line)
    {
        lock (_lock)
        {
            var name = resource.PadRight(NameWidth);
            WriteLine(Coloured ? $"\e[{ColourOf(resource)}m{name}\e[0m| {line}" : $"{name}| {line}");
        }
    }

    /// <summary>A line of the AppHost's own.</summary>
    public void Say(string line) => Write("seckill", line);

    private int ColourOf(string resource)
    {
        if (!_colours.TryGetValue(resource, out var colour))
        {
            _colours[resource] = colour = Palette[_colours.Count % Palette.Length];
        }

        return colour;
    }

    // A terminal that was closed must not keep us from stopping what we started.
    private void WriteLine(string line)
    {
        if (_closed)
        {
            return;
        }

        try
        {
            Console.WriteLine(line);
        }
        catch (IOException)
        {
            _closed = true;
        }
    }
}
