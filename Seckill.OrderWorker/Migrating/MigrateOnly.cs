using Microsoft.Extensions.Options;
using Seckill.Ordering.Store;

namespace Seckill.OrderWorker.Migrating;

/// <summary>Brings MySQL's schema up to date and exits. It needs only MySQL and opens no port.</summary>
internal static partial class MigrateOnly
{
    /// <summary>Command-line switch, the same as <c>Worker:Migrations=only</c>.</summary>
    public const string Switch = "--migrate-only";

    private static readonly string Key = $"{WorkerOptions.Section}:{nameof(WorkerOptions.Migrations)}";

    public static bool IsAsked(string[] args, IConfiguration configuration) =>
        args.Contains(Switch) || string.Equals(configuration[Key], nameof(MigrationMode.Only), StringComparison.OrdinalIgnoreCase);

    /// <summary>
    /// The process's exit code: 0 when the schema is up to date; 1 when it is not within <see cref="WorkerOptions.MigrateOnlySecondsMax"/>
    /// or when the process is stopped earlier.
    /// </summary>
    /// <exception cref="OptionsValidationException">A setting is out of range.</exception>
    public static async Task<int> RunAsync(HostApplicationBuilder builder, CancellationToken cancellationToken)
    {
        builder.Configuration[Key] = nameof(MigrationMode.Only);
        builder.AddServiceDefaults();
        builder.AddMySql<OrderingDbContext>();
        builder.Services.AddMigrations();

        using var host = builder.Build();
        await host.StartAsync(cancellationToken);
        var migrated = await MigratedAsync(host.Services, cancellationToken);
        await host.StopAsync(CancellationToken.None);
        return migrated ? 0 : 1;
    }

    private static async Task<bool> MigratedAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        var migrator = services.GetRequiredService<Migrator>();
        var secondsMax = services.GetRequiredService<IOptions<WorkerOptions>>().Value.MigrateOnlySecondsMax;
        var stopping = services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        using var quit = CancellationTokenSource.CreateLinkedTokenSource(stopping, cancellationToken);
        var logger = services.GetRequiredService<ILogger<Migrator>>();
        try
        {
            await migrator.Migrated.WaitAsync(TimeSpan.FromSeconds(secondsMax), services.GetRequiredService<TimeProvider>(), quit.Token);
            return true;
        }
        catch (TimeoutException)
        {
            LogTooLate(logger, secondsMax, migrator.Trouble);
        }
        catch (OperationCanceledException)
        {
            LogStopped(logger, migrator.Trouble);
        }

        return false;
    }

    [LoggerMessage(Level = LogLevel.Critical, Message = "MySQL could not be migrated within {SecondsMax} s: {Reason}")]
    private static partial void LogTooLate(ILogger logger, int secondsMax, string? reason);

    [LoggerMessage(Level = LogLevel.Critical, Message = "Told to stop before MySQL was migrated: {Reason}")]
    private static partial void LogStopped(ILogger logger, string? reason);
}
