using System.Globalization;
using MySqlConnector;
using Seckill.Ordering.Ids;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Operations;

/// <summary>Runs the real code, its scripts and both stores through a history and checks the promises after every step.</summary>
internal sealed partial class HistoryMachine : IAsyncDisposable
{
    /// <summary>Maximum rounds of work at the end. Each round continues the previous one.</summary>
    private const int RoundsToRestMax = 4;

    private static readonly SnowflakeSequence Ids = new(SnowflakeSequence.NodeMax, new EarlierClock());
    private static long _lastSkuId = 100_000_000;

    private readonly HistoryServers _servers;
    private readonly History _history;
    private readonly SkuKeys _sku = new(Interlocked.Increment(ref _lastSkuId));
    private readonly IDatabase _redis;
    private readonly HistoryInstance[] _instances;
    private readonly HistoryWorkers _workers;
    private readonly CancellationToken _cancellationToken;
    private readonly Dictionary<long, ToldOrder> _told = [];
    private readonly List<(RedisKey Key, byte[] Value, TimeSpan? Expiry)> _copy = [];
    private bool _copied;
    private LoadId? _staleLoad;
    private int _limitHighest;

    private HistoryMachine(HistoryServers servers, History history, CancellationToken cancellationToken)
    {
        (_servers, _history, _cancellationToken, _limitHighest) = (servers, history, cancellationToken, history.Limit);
        _redis = servers.Redis.GetDatabase();
        var redis = history.HidesServer ? servers.RedisWithoutInfo : servers.Redis;
        _instances = [.. Enumerable.Range(0, History.Instances).Select(_ => new HistoryInstance(servers, redis))];
        _workers = new HistoryWorkers(servers, redis);
    }

    /// <summary>An order whose buyer was told that it is queued.</summary>
    private sealed record ToldOrder(long UserId, string? Number, int Quantity, decimal UnitPrice);

    /// <summary>Runs a history, then lets it come to rest, and throws where a promise is broken.</summary>
    public static async Task RunAsync(HistoryServers servers, History history, CancellationToken cancellationToken)
    {
        await using var machine = new HistoryMachine(servers, history, cancellationToken);
        await machine.OpenAsync();
        foreach (var step in history.Steps)
        {
            try
            {
                await machine.ApplyAsync(step);
                await machine.LookAsync();
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                throw new InvalidOperationException($"After {step}: {exception.Message}", exception);
            }
        }

        await machine.ComeToRestAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var instance in _instances)
        {
            await instance.DisposeAsync();
        }

        await _workers.DisposeAsync();
        await _redis.KeyDeleteAsync(_sku.All);
        await _redis.SetRemoveAsync("seckill:skus", _sku.SkuId);
        await ExecuteAsync("""
            DELETE o FROM orders o JOIN order_items i ON i.order_id = o.id WHERE i.sku_id = @sku;
            DELETE FROM order_items WHERE sku_id = @sku;
            DELETE FROM order_rejections WHERE sku_id = @sku;
            DELETE FROM sku_offers WHERE sku_id = @sku;
            DELETE FROM seckill_sales WHERE sku_id = @sku;
            DELETE FROM product_skus WHERE id = @sku;
            """);
    }

    private async Task OpenAsync()
    {
        await ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $$"""
            INSERT INTO product_skus (id, product_id, title, price, stock, image, attrs)
                VALUES (@sku, 1, 'Phone', 9, {{_history.Units}}, '', '{}');
            INSERT INTO seckill_sales (sku_id, starts_at, ends_at, limit_per_user, units)
                VALUES (@sku, UTC_TIMESTAMP() - INTERVAL 1 HOUR, UTC_TIMESTAMP() + INTERVAL 1 DAY, {{_history.Limit}}, {{_history.Units}});
            """));
        foreach (var instance in _instances)
        {
            await instance.StartAsync(_cancellationToken);
        }
    }

    private Task ApplyAsync(HistoryStep step) => step switch
    {
        HistoryStep.Click click => ClickAsync(click),
        HistoryStep.Sweep sweep => SweepAsync(sweep),
        HistoryStep.Write write => _workers.WriteAsync(write, _cancellationToken),
        HistoryStep.Settle settle => _workers.SettleAsync(settle, _cancellationToken),
        HistoryStep.Look look => ActAsync(look.At, look.Dies, instance => instance.LookAsync(_sku, _cancellationToken)),
        HistoryStep.Reconcile pass => ActAsync(pass.At, pass.Dies, instance => instance.ReconcileAsync(_sku, _cancellationToken)),
        HistoryStep.Reload reload => ActAsync(reload.At, reload.Dies, instance => instance.ReloadAsync(_sku, _cancellationToken)),
        HistoryStep.AddStock add => AddStockAsync(add),
        HistoryStep.Pause pause => ActAsync(
            pause.At, pause.Dies, instance => instance.PauseAsync(_sku, pause.Paused, _cancellationToken)),
        HistoryStep.Edit edit => EditAsync(edit),
        HistoryStep.Restart restart => _instances[restart.At].RestartAsync(_cancellationToken),
        HistoryStep.LateCall late => CarryOutLateAsync(late),
        HistoryStep.Copy => CopyAsync(),
        HistoryStep.FailOver => FailOverAsync(),
        HistoryStep.Flush => FlushAsync(),
        HistoryStep.Together both => Task.WhenAll(ApplyAsync(both.One), ApplyAsync(both.Other)),
        HistoryStep.WorkersDie => LetWorkersDie(),
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    };

    private Task<bool> ActAsync(int at, Death? dies, Func<HistoryInstance, Task> act) =>
        _instances[at].TryAsync(dies, () => act(_instances[at]), _cancellationToken);

    private async Task ClickAsync(HistoryStep.Click click)
    {
        var (orderId, number) = (Ids.Next(), click.Number == 0 ? null : NumberOf(click.Number));
        await ActAsync(click.At, click.Dies, async instance =>
        {
            var (result, unitPrice) = await instance.ClickAsync(_sku, orderId, click.User, click.Quantity, number);
            if (result.Code == ReserveCode.Accepted)
            {
                lock (_told)
                {
                    _told.Add(orderId, new ToldOrder(click.User, number, click.Quantity, unitPrice));
                }
            }
        });
    }

    /// <summary>Per SKU: the same buyer's clicks on other SKUs are different clicks.</summary>
    private string NumberOf(int number) => string.Create(CultureInfo.InvariantCulture, $"{_sku.SkuId}-{number}");

    private Task<bool> SweepAsync(HistoryStep.Sweep sweep) => ActAsync(sweep.At, sweep.Dies, async instance =>
    {
        var due = await instance.SweepAsync(_sku, _cancellationToken);
        foreach (var order in due)
        {
            _workers.Publish(order.Message);
        }

        if (sweep.Noted && due.Count > 0)
        {
            await instance.ConfirmAsync(_sku, due, _cancellationToken);
        }
    });

    private async Task AddStockAsync(HistoryStep.AddStock add)
    {
        var before = (await ReadAsync()).Units;
        await ActAsync(add.At, add.Dies, instance => instance.AddStockAsync(_sku, add.Units, before, _cancellationToken));
    }

    private async Task EditAsync(HistoryStep.Edit edit)
    {
        _limitHighest = Math.Max(_limitHighest, edit.Limit);
        await ActAsync(edit.At, edit.Dies, instance => instance.EditAsync(_sku, edit.Limit, edit.Price, _cancellationToken));
    }

    private async Task CarryOutLateAsync(HistoryStep.LateCall late)
    {
        var calls = _instances.SelectMany(instance => instance.LateCalls.Select(call => (instance, call))).ToList();
        if (calls.Count > 0)
        {
            var (instance, call) = calls[late.Pick % calls.Count];
            instance.LateCalls.Remove(call);
            try
            {
                await call();
            }
            catch (RedisServerException)
            {
                // The caller has died, so nobody gets the result. A script of that hash may be new to the server.
            }
        }
    }

    private Task LetWorkersDie()
    {
        _workers.Die();
        return Task.CompletedTask;
    }

    private async Task CopyAsync()
    {
        _copy.Clear();
        foreach (var key in _sku.All)
        {
            var (value, expiry) = (_redis.KeyDumpAsync(key), _redis.KeyTimeToLiveAsync(key));
            if (await value is { } copied)
            {
                _copy.Add((key, copied, await expiry));
            }
        }

        _copied = true;
    }

    private async Task FailOverAsync()
    {
        if (!_copied)
        {
            return;
        }

        await _redis.KeyDeleteAsync(_sku.All);
        foreach (var (key, value, expiry) in _copy)
        {
            await _redis.KeyRestoreAsync(key, value, expiry);
        }

        if (await _redis.HashExistsAsync(_sku.Sale, "run_id") && !_history.HidesServer)
        {
            // The run id of the server that took the load; this server is a different one.
            await _redis.HashSetAsync(_sku.Sale, "run_id", "another");
        }

        _staleLoad = (await ReadAsync()).RedisLoad;
        await ForgetLostAsync();
    }

    private async Task FlushAsync()
    {
        await _redis.KeyDeleteAsync(_sku.All);
        await ForgetLostAsync();
    }

    /// <summary>Forgets orders that were only in Redis and are gone.</summary>
    private async Task ForgetLostAsync()
    {
        var books = await ReadAsync();
        var known = books.Records.Keys.Concat(books.Orders.Keys).Concat(books.Refused.Keys).Concat(_workers.Queued).ToHashSet();
        foreach (var lost in _told.Keys.Except(known).ToList())
        {
            _told.Remove(lost);
        }
    }

    private Task<HistoryBooks> ReadAsync() => HistoryBooks.ReadAsync(_servers.MySql, _redis, _sku, _cancellationToken);

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = new MySqlConnection(_servers.MySql);
        await connection.OpenAsync(CancellationToken.None);
        await using var command = new MySqlCommand(sql, connection);
        command.Parameters.AddWithValue("@sku", _sku.SkuId);
        await command.ExecuteNonQueryAsync(CancellationToken.None);
    }

    /// <summary>Makes older ids, because the reconciler ignores orders younger than <c>StuckAfterMs</c>.</summary>
    private sealed class EarlierClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UtcNow.AddMinutes(-10);
    }
}
