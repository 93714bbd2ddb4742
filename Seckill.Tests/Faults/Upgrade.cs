using System.Collections.Immutable;
using System.Diagnostics;
using MySqlConnector;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Faults;

/// <summary>Servers for applications of two releases, without any running application.</summary>
internal sealed class TwoReleases(SharedServers servers, string name) : FaultSystem
{
    protected override Task<LocalSystem> StartServersAsync(LocalSystemOptions options, CancellationToken cancellationToken) =>
        servers.StartAsync(name, options, cancellationToken);

    protected override Task<LocalSystem> StartApplicationsAsync(Task<LocalSystem> servers) => servers;
}

/// <summary>
/// A sale that starts with a worker and an Api of the previous release, under constant load through every serving Api. Each step lasts for
/// some orders, and ends when orders of all SKUs that were clicked after the step are written.
/// </summary>
internal sealed class Upgrade : IAsyncDisposable
{
    /// <summary>One of each SKU, at a rate so low that none sells out before the end on a slow machine.</summary>
    private const int ClicksAtOnce = 3;
    private const int PaceMs = 400;
    private const int ClicksInStep = 20;
    private const int ToldPriceCents = 990;
    private const int WrittenWithinMs = 60_000;
    private const int DeathTimeoutMs = 60_000;

    private readonly LocalSystem _system;
    private readonly StockAdditions _additions;
    private readonly ITestOutputHelper _output;
    private readonly CancellationToken _cancellation;
    private readonly CancellationTokenSource _enough = new();
    private readonly Task _load;
    private readonly long _started = Stopwatch.GetTimestamp();

    /// <summary>The Api instances that receive the load.</summary>
    private ImmutableArray<LocalService> _serving;

    private Upgrade(TwoReleases releases, SaleOnTrial sale, ITestOutputHelper output, CancellationToken cancellation)
    {
        (_system, Sale, _output, _cancellation) = (releases.System, sale, output, cancellation);
        _additions = new StockAdditions(releases, sale, cancellation);
        (OldWorker, OldApi) = (_system.Workers[0], _system.Apis[0]);
        _serving = [OldApi];
        _load = Task.Run(LoadAsync, CancellationToken.None);
    }

    public SaleOnTrial Sale { get; }

    public LocalService OldWorker { get; }

    public LocalService OldApi { get; }

    public LocalService NewApi { get; private set; } = null!;

    /// <param name="releases">The servers.</param>
    /// <param name="previous">The checkout of the previous release.</param>
    /// <param name="unitsEach">Units of each SKU.</param>
    /// <param name="output">Gets a line for each step.</param>
    /// <param name="cancellation">Ends the waits.</param>
    public static async Task<Upgrade> BeginAsync(
        TwoReleases releases, string previous, int unitsEach, ITestOutputHelper output, CancellationToken cancellation)
    {
        await releases.System.StartWorkerAsync(cancellation, of: previous);
        await releases.System.StartApiAsync(cancellation, of: previous);
        var upgrade = new Upgrade(releases, await SaleOnTrial.OpenAsync(releases, cancellation, unitsEach), output, cancellation);
        await upgrade.WriteAsync("the release before alone");
        return upgrade;
    }

    public async Task StartNewWorkerAsync()
    {
        await _system.StartWorkerAsync(_cancellation);
        await WriteAsync("both workers");
    }

    public async Task EndOldWorkerAsync()
    {
        await _system.EndAsync(OldWorker, kill: false);
        await WriteAsync("the new worker alone");
    }

    public async Task StartNewApiAsync()
    {
        NewApi = await _system.StartApiAsync(_cancellation);
        await ServeAsync();
    }

    /// <summary>Starts the new Api before its tables exist: it reports that it cannot serve.</summary>
    public async Task StartNewApiTooEarlyAsync()
    {
        NewApi = await _system.StartApiAsync(_cancellation, waitUntilHealthy: false);
        using var client = _system.Client(NewApi);
        await Deadline.UntilAsync(HealthAsync, health => health == "Unhealthy", _cancellation);
        await WriteAsync("a new Api without its tables");
        Assert.Equal("Unhealthy", await HealthAsync());

        async Task<string?> HealthAsync()
        {
            try
            {
                return (await client.GetAsync("/health", _cancellation)).Text("status");
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
                return null;
            }
        }
    }

    public async Task ServeThroughNewApiAsync()
    {
        await _system.WaitUntilHealthyAsync(NewApi, _cancellation);
        await ServeAsync();
    }

    public async Task EndOldApiAsync()
    {
        _serving = _serving.Remove(OldApi);
        await _system.EndAsync(OldApi, kill: false);
        await WriteAsync("the new Api alone");
    }

    /// <summary>Adds units through each Api.</summary>
    public async Task AddStockAsync()
    {
        foreach (var api in _serving)
        {
            await _additions.AddOneAsync(api);
        }

        await WriteAsync("more stock");
    }

    /// <summary>
    /// An Api dies with a reservation that is in no queue yet; the other one publishes it. Meanwhile the price changes, and the buyer is
    /// charged the price that the new Api has shown.
    /// </summary>
    public async Task DieAsync(LocalService api)
    {
        var serving = _serving;
        _serving = serving.Remove(api);
        await _system.RestartAsync(api, _cancellation, ("SECKILL_CRASH_AT", CrashPoint.Reserved));
        await _system.WaitUntilHealthyAsync(api, _cancellation);
        _serving = serving;
        await api.Exited.WaitAsync(TimeSpan.FromMilliseconds(DeathTimeoutMs), _cancellation);
        _serving = serving.Remove(api);
        var left = await UnsettledAsync();
        Assert.NotEmpty(left);
        var told = await WithOfferAsync(left);
        // The other Api may have orders under way as well; those of the previous release have no offer.
        Assert.True(api == NewApi ? told.Count > 0 : told.Count < left.Count, $"{told.Count} of {left.Count} orders have an offer.");
        await SetPriceAsync(2 * ToldPriceCents);
        await Deadline.UntilAsync(UnsettledAsync, unsettled => !left.Overlaps(unsettled), _cancellation);
        if (told.Count > 0)
        {
            Assert.Equal(told.Count, await _system.CountAsync(
                $"SELECT COUNT(*) FROM orders WHERE id IN ({string.Join(',', told)}) AND pay_amount * 100 = {ToldPriceCents}",
                _cancellation));
        }

        await SetPriceAsync(ToldPriceCents);
        await _system.RestartAsync(api, _cancellation, ("SECKILL_CRASH_AT", ""));
        await _system.WaitUntilHealthyAsync(api, _cancellation);
        _serving = serving;
        await WriteAsync($"{left.Count} orders of a dead Api");
    }

    public async Task EndLoadAsync()
    {
        await _enough.CancelAsync();
        await _load;
    }

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        await ((Task)_load).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _enough.Dispose();
    }

    private async Task ServeAsync()
    {
        _serving = _serving.Add(NewApi);
        await WriteAsync("both Apis");
    }

    private async Task WriteAsync(string step)
    {
        var before = Sale.Clicks.Count;
        await Deadline.UntilAsync(() => Task.FromResult(Sale.Clicks.Count), count => count >= before + ClicksInStep, _cancellation);
        await Sale.WriteOneEachAsync(WrittenWithinMs);
        _output.WriteLine(
            $"{Stopwatch.GetElapsedTime(_started).TotalSeconds:F0} s, {step}: {Sale.Queued.Count} orders of {Sale.Clicks.Count} clicks");
    }

    private async Task<HashSet<RedisValue>> UnsettledAsync()
    {
        var database = _system.RedisConnection.GetDatabase();
        var unsettled = await Task.WhenAll(Sale.Skus.Select(sku => database.SortedSetRangeByRankAsync(sku.Outbox)));
        return [.. unsettled.SelectMany(ids => ids)];
    }

    /// <summary>The orders whose records contain an offer; the previous release did not write offers.</summary>
    private async Task<List<RedisValue>> WithOfferAsync(IEnumerable<RedisValue> ids)
    {
        var database = _system.RedisConnection.GetDatabase();
        var told = new List<RedisValue>();
        foreach (var id in ids)
        {
            var records = await Task.WhenAll(Sale.Skus.Select(sku => database.HashGetAsync(sku.Orders, id)));
            if (records.Any(record => record.HasValue && Reservation.Parse((long)id, record!).Offer is not null))
            {
                told.Add(id);
            }
        }

        return told;
    }

    private async Task SetPriceAsync(int cents)
    {
        await using var connection = await _system.OpenMySqlAsync(_cancellation);
        await using var command = new MySqlCommand("UPDATE product_skus SET price = @cents / 100", connection);
        command.Parameters.AddWithValue("@cents", cents);
        await command.ExecuteNonQueryAsync(_cancellation);
    }

    private async Task LoadAsync()
    {
        for (var turn = 0; !_enough.IsCancellationRequested; turn++)
        {
            var serving = _serving;
            await Sale.RushAsync(ClicksAtOnce, quantity: 1, serving[turn % serving.Length]);
            await Task.Delay(PaceMs, _cancellation);
        }
    }
}
