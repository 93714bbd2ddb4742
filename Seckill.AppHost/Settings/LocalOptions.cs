using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Configuration;
using Seckill.LocalServers;

namespace Seckill.AppHost.Settings;

/// <summary>
/// Section <c>Local</c>: addresses and data of a run, as <c>--Local:ApiPort=8080</c>, or <c>Local__ApiPort</c> in the environment.
/// Ports are preferences: if one is taken, a free one is used and the start says so. Two runs do not choose the same ones, because each
/// port, or block of 200 random ports, is claimed by a lock on an empty file in <c>~/.local/share/seckill/ports</c> (below
/// <c>XDG_DATA_HOME</c> if that is set); the files stay.
/// </summary>
internal sealed class LocalOptions
{
    public const string Section = "Local";

    private readonly List<string> _movedPorts = [];

    /// <summary>Holds the data of local servers, <c>local.json</c> and the lock. Null: <c>.seckill</c> in the repository.</summary>
    public string? StateFolder { get; set; }

    /// <summary>The Api.</summary>
    [Range(1, 65_535)]
    public int ApiPort { get; set; } = 5080;

    /// <summary>The operators' console.</summary>
    [Range(1, 65_535)]
    public int ConsolePort { get; set; } = 5090;

    /// <summary>The worker's health checks.</summary>
    [Range(1, 65_535)]
    public int OrderWorkerPort { get; set; } = 5100;

    /// <summary>The Aspire dashboard's page.</summary>
    [Range(1, 65_535)]
    public int DashboardPort { get; set; } = 15_080;

    /// <summary>Redis, if it is a local process; likewise the two below.</summary>
    [Range(1, 65_535)]
    public int RedisPort { get; set; } = 16_379;

    /// <summary>RabbitMQ.</summary>
    [Range(1, 65_535)]
    public int RabbitMqPort { get; set; } = 15_673;

    /// <summary>MySQL.</summary>
    [Range(1, 65_535)]
    public int MySqlPort { get; set; } = 13_306;

    /// <summary>Maximum time until a local server answers, in milliseconds.</summary>
    [Range(1_000, 3_600_000)]
    public int StartTimeoutMs { get; set; } = 120_000;

    /// <summary>Maximum time of a local server's stop before it is killed, in milliseconds.</summary>
    [Range(100, 600_000)]
    public int StopTimeoutMs { get; set; } = 5_000;

    /// <summary>The state folder as a full path.</summary>
    public string Folder => Path.GetFullPath(StateFolder ?? Path.Combine(Repository.Root, ".seckill"));

    /// <exception cref="DistributedApplicationException">A value is out of range or not a number.</exception>
    public static LocalOptions Read(IConfiguration configuration)
    {
        try
        {
            var options = configuration.GetSection(Section).Get<LocalOptions>() ?? new LocalOptions();
            Validator.ValidateObject(options, new ValidationContext(options), validateAllProperties: true);
            return options;
        }
        catch (Exception mistake) when (mistake is ValidationException or InvalidOperationException)
        {
            throw new DistributedApplicationException($"{Section}: {mistake.Message}", mistake);
        }
    }

    /// <summary>A line for each preferred port that was taken.</summary>
    public IReadOnlyList<string> MovedPorts => _movedPorts;

    /// <summary>The preferred port, or a free one if that is taken.</summary>
    public int TakePort(string name, int wish)
    {
        var port = LoopbackPorts.Prefer(wish);
        if (port != wish)
        {
            _movedPorts.Add($"{name}: port {wish} is taken, using {port}");
        }

        return port;
    }

    /// <summary>The options of a local server. Each generation has its own data: an older server cannot read a newer one's.</summary>
    public T Configure<T>(T defaults, string name, int port)
        where T : LocalServerOptions => defaults with
        {
            DataFolder = Path.Combine(Folder, defaults.ServersRoot is { Length: > 0 } ? "data-today" : "data", name),
            Port = TakePort(name, port),
            StartTimeoutMs = StartTimeoutMs,
            StopTimeoutMs = StopTimeoutMs,
        };
}
