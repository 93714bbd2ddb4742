using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using MySqlConnector;
using Seckill.Ordering.Store;

namespace Seckill.OrderWorker.Migrating;

/// <summary>
/// Applies the migrations at startup, however long MySQL takes to come up. It holds a named lock of MySQL, so only one of several workers
/// migrates and the others wait. A worker that never migrates waits here for the schema.
/// </summary>
internal sealed partial class Migrator(
    IServiceScopeFactory scopes, IHostEnvironment environment, IOptions<WorkerOptions> options, TimeProvider time, ILogger<Migrator> logger)
    : BackgroundService
{
    private readonly TaskCompletionSource _migrated = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string? _trouble;

    /// <summary>Completes when the schema is up to date.</summary>
    public Task Migrated => _migrated.Task;

    /// <summary>Why the schema is not up to date yet; null before the first try has failed.</summary>
    public string? Trouble => _trouble;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var backoff = new Backoff(options.Value, time);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await (options.Value.Migrations is MigrationMode.Never ? CheckAsync(stoppingToken) : MigrateAsync(stoppingToken));
                _migrated.SetResult();
                return;
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                // EF wraps MySQL's error in advice about retries.
                _trouble = ReasonOf(exception.GetBaseException());
                LogNotMigrated(_trouble);
                await backoff.WaitAsync(stoppingToken);
            }
        }
    }

    /// <summary>MySQL's own words for a table in use suggest another try, which does not help against a forgotten transaction.</summary>
    private static string ReasonOf(Exception exception) => exception is MySqlException { ErrorCode: MySqlErrorCode.LockWaitTimeout }
        ? $"another client's transaction uses a table that is to be changed: {exception.Message}"
        : exception.Message;

    private async Task MigrateAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        await FirstMigration.RunAsync(context, cancellationToken);
        if (options.Value.ApplicationAccount is { Length: > 0 } account)
        {
            await ApplicationGrants.ApplyAsync(context, account, cancellationToken);
        }

        LogMigrated();

        if (environment.IsDevelopment() && await DemoCatalogue.SeedAsync(context, time, cancellationToken))
        {
            LogSeeded();
        }
    }

    /// <summary>Checks the schema and changes nothing.</summary>
    /// <exception cref="InvalidOperationException">A migration has not been applied.</exception>
    private async Task CheckAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var pending = (await context.Database.GetPendingMigrationsAsync(cancellationToken)).ToList();
        if (pending.Count > 0)
        {
            throw new InvalidOperationException(
                $"the schema lacks {string.Join(", ", pending)}, and this worker never migrates (Worker:Migrations)");
        }

        LogMigrated();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "MySQL's schema is up to date")]
    private partial void LogMigrated();

    [LoggerMessage(Level = LogLevel.Information, Message = "The catalogue was empty: demo products and sales added")]
    private partial void LogSeeded();

    [LoggerMessage(Level = LogLevel.Warning, Message = "MySQL is not migrated yet: {Reason}; trying again")]
    private partial void LogNotMigrated(string reason);
}

/// <summary>Healthy once the schema is up to date: waiting for the worker means waiting for the schema.</summary>
internal sealed class MigratedHealthCheck(Migrator migrator) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(migrator.Migrated.IsCompletedSuccessfully
            ? HealthCheckResult.Healthy()
            : new HealthCheckResult(
                context.Registration.FailureStatus,
                migrator.Trouble is { } trouble ? $"migrations not applied yet: {trouble}" : "migrations not applied yet"));
}
