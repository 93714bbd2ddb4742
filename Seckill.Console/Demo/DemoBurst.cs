using System.Diagnostics;
using System.Globalization;
using Seckill.Console.Ops;

namespace Seckill.Console.Demo;

/// <summary>The state of the burst.</summary>
public enum BurstPhase
{
    Idle,
    WaitingForSale,
    LoggingIn,
    Clicking,
    Done,
    Failed,
}

/// <summary>The progress of the burst.</summary>
public sealed record BurstProgress(
    BurstPhase Phase, long SkuId, int Buyers, int LoggedIn, int Queued, int Refused, int Unanswered, double ClickedSeconds, string? Fault)
{
    public static readonly BurstProgress None = new(BurstPhase.Idle, 0, 0, 0, 0, 0, 0, 0, null);

    public bool Running => Phase is BurstPhase.WaitingForSale or BurstPhase.LoggingIn or BurstPhase.Clicking;
}

/// <summary>Development only: a crowd that clicks on one SKU, one burst at a time for the whole console.</summary>
internal sealed partial class DemoBurst(DemoShop shop, ILogger<DemoBurst> logger) : BackgroundService
{
    public const int BuyersMax = 20_000;

    private const int LoginsAtOnceMax = 64;
    private const int ClicksAtOnceMax = 512;
    private const int SaleWaitMsMax = 30_000;
    private const int SalePollMs = 100;
    private const long FirstBuyerId = 800_000_000;

    private readonly SemaphoreSlim _wanted = new(0);
    private readonly Lock _lock = new();
    private BurstProgress _progress = BurstProgress.None;
    private bool _claimed;
    private int _loggedIn;
    private int _queued;
    private int _refused;
    private int _unanswered;
    private long _clickingSince;

    public BurstProgress Progress
    {
        get
        {
            lock (_lock)
            {
                return _progress with
                {
                    LoggedIn = Volatile.Read(ref _loggedIn),
                    Queued = Volatile.Read(ref _queued),
                    Refused = Volatile.Read(ref _refused),
                    Unanswered = Volatile.Read(ref _unanswered),
                    ClickedSeconds = _progress.Phase == BurstPhase.Clicking
                        ? Stopwatch.GetElapsedTime(_clickingSince).TotalSeconds
                        : _progress.ClickedSeconds,
                };
            }
        }
    }

    /// <summary>Starts a burst on a new sale. False when another is running or about to start: then no sale is created.</summary>
    /// <param name="buyers">Number of buyers who click.</param>
    /// <param name="createSale">Creates the sale and returns its SKU.</param>
    public async Task<bool> TryStartAsync(int buyers, Func<Task<long>> createSale)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(buyers, BuyersMax);
        if (!TryClaim())
        {
            return false;
        }

        try
        {
            var skuId = await createSale();
            lock (_lock)
            {
                (_loggedIn, _queued, _refused, _unanswered) = (0, 0, 0, 0);
                _progress = BurstProgress.None with { Phase = BurstPhase.WaitingForSale, SkuId = skuId, Buyers = buyers };
            }

            _wanted.Release();
            return true;
        }
        finally
        {
            lock (_lock)
            {
                _claimed = false;
            }
        }
    }

    public override void Dispose()
    {
        _wanted.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await _wanted.WaitAsync(stoppingToken);
                await RunAsync(Progress, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure)
            {
                BurstFailed(logger, failure);
                Enter(BurstPhase.Failed, failure.Message);
            }
        }
    }

    private bool TryClaim()
    {
        lock (_lock)
        {
            if (_claimed || _progress.Running)
            {
                return false;
            }

            _claimed = true;
            return true;
        }
    }

    private async Task RunAsync(BurstProgress wanted, CancellationToken cancellationToken)
    {
        await WaitUntilOnSaleAsync(wanted.SkuId, cancellationToken);

        Enter(BurstPhase.LoggingIn);
        var tokens = new string[wanted.Buyers];
        await Parallel.ForAsync(0, tokens.Length, Bounded(LoginsAtOnceMax, cancellationToken), async (buyer, token) =>
        {
            tokens[buyer] = await shop.LogInAsync(FirstBuyerId + buyer, null, token);
            Interlocked.Increment(ref _loggedIn);
        });

        Enter(BurstPhase.Clicking);
        await Parallel.ForAsync(0, tokens.Length, Bounded(ClicksAtOnceMax, cancellationToken), async (buyer, token) =>
            await ClickAsync(
                tokens[buyer], new DemoClick(wanted.SkuId, 1, string.Create(CultureInfo.InvariantCulture, $"burst-{wanted.SkuId}-{buyer}")),
                token));
        Enter(BurstPhase.Done);
    }

    private async Task WaitUntilOnSaleAsync(long skuId, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        while (!await shop.IsOnSaleAsync(skuId, cancellationToken))
        {
            if (Stopwatch.GetElapsedTime(started).TotalMilliseconds > SaleWaitMsMax)
            {
                throw new TimeoutException($"SKU {skuId} did not go on sale within {SaleWaitMsMax} ms.");
            }

            await Task.Delay(SalePollMs, cancellationToken);
        }
    }

    private async ValueTask ClickAsync(string token, DemoClick click, CancellationToken cancellationToken)
    {
        ClickAnswer answer;
        try
        {
            answer = await shop.ClickAsync(token, click, cancellationToken);
        }
        catch (Exception failure) when (OpsApi.IsNoAnswer(failure) && !cancellationToken.IsCancellationRequested)
        {
            answer = ClickAnswer.Failed;
        }

        _ = answer switch
        {
            ClickAnswer.Queued => Interlocked.Increment(ref _queued),
            ClickAnswer.Refused => Interlocked.Increment(ref _refused),
            _ => Interlocked.Increment(ref _unanswered),
        };
    }

    private static ParallelOptions Bounded(int atOnceMax, CancellationToken cancellationToken) =>
        new() { MaxDegreeOfParallelism = atOnceMax, CancellationToken = cancellationToken };

    private void Enter(BurstPhase phase, string? fault = null)
    {
        lock (_lock)
        {
            var seconds = _progress.Phase == BurstPhase.Clicking ? Stopwatch.GetElapsedTime(_clickingSince).TotalSeconds : 0;
            _clickingSince = phase == BurstPhase.Clicking ? Stopwatch.GetTimestamp() : _clickingSince;
            _progress = _progress with { Phase = phase, Fault = fault, ClickedSeconds = seconds };
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The demo burst failed")]
    private static partial void BurstFailed(ILogger logger, Exception failure);
}

internal static class DemoRegistration
{
    public static IServiceCollection AddDemoBurst(this IServiceCollection services)
    {
        services.AddSingleton<DemoShop>();
        services.AddSingleton<DemoBurst>();
        services.AddHostedService(provider => provider.GetRequiredService<DemoBurst>());
        return services;
    }
}
