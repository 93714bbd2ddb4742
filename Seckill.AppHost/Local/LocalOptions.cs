using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Configuration;
using Seckill.LocalServers;

namespace Seckill.AppHost.Local;

/// <summary>
/// Section <c>Local</c> of the AppHost's configuration: <c>--Local:ApiPort=8080</c>, or <c>Local__ApiPort</c> in the environment.
/// Ports are wishes: where one is taken, a free one is used and the start says so.
/// </summary>
internal sealed class LocalOptions
{
    /// <summary>Holds all data of the servers, <c>local.json</c> and the lock. Null: <c>.seckill</c> in the repository.</summary>
    public string? StateFolder { get; set; }

    [Range(1, 65_535)]
    public int ApiPort { get; set; } = 5080;

    [Range(1, 65_535)]
    public int ConsolePort { get; set; } = 5090;

    [Range(1, 65_535)]
    public int OrderWorkerPort { get; set; } = 5100;

    [Range(1, 65_535)]
    public int RedisPort { get; set; } = 16379;

    [Range(1, 65_535)]
    public int RabbitMqPort { get; set; } = 15673;

    [Range(1, 65_535)]
    public int MySqlPort { get; set; } = 13306;

    /// <summary>How long one resource may take until it is healthy, in milliseconds.</summary>
    [Range(1_000, 3_600_000)]
    public int StartTimeoutMs { get; set; } = 120_000;

    /// <summary>How long one resource may take to stop before it is killed, in milliseconds.</summary>
    [Range(100, 600_000)]
    public int StopTimeoutMs { get; set; } = 20_000;

    /// <summary><c>Api:Replicas</c>, the same setting as on Aspire; each replica has a port of its own.</summary>
    [Range(1, 64)]
    public int ApiReplicas { get; set; } = 1;

    /// <summary>Reads appsettings.json, the environment and the command line; the last one wins.</summary>
    /// <exception cref="ValidationException">A value is out of range.</exception>
    public static LocalOptions Read(string[] args)
    {
        var configuration = new ConfigurationBuilder()
            .SetBasePath(Path.Combine(Repository.Root, "Seckill.AppHost"))
            .AddJsonFile("appsettings.json", optional: true)
            .AddEnvironmentVariables()
            .AddCommandLine(args)
            .Build();
        var options = new LocalOptions();
        configuration.GetSection("Local").Bind(options);
        options.ApiReplicas = configuration.GetValue("Api:Replicas", options.ApiReplicas);
        Validator.ValidateObject(options, new ValidationContext(options), validateAllProperties: true);
        return options;
    }
}
