using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Faults;
using Seckill.Ordering.Holding;
using StackExchange.Redis;

namespace Seckill.Tests.Faults;

/// <summary>The kind of process that dies.</summary>
internal enum CrashPlace
{
    /// <summary>An Api, while it handles clicks or loads the stock.</summary>
    Gate,
    Worker,

    /// <summary>An Api, while it handles an operator's request.</summary>
    Operators,
}

/// <summary>Describes how a crash point is reached.</summary>
/// <param name="Place">The process that dies.</param>
/// <param name="Prepare">
/// Runs on a healthy system and sets up the state needed before the process is armed. If it ends that process, a new one is started armed.
/// </param>
/// <param name="Provoke">Makes the armed process, which may still be starting, pass the point. Called for each armed process.</param>
/// <param name="Finish">Does the remaining manual work, with a fresh process running.</param>
internal sealed record CrashCase(
    CrashPlace Place, Func<CrashScene, Task> Prepare, Func<CrashScene, LocalService, Task> Provoke, Func<CrashScene, Task>? Finish = null)
{
    private static readonly CrashCase Clicking = new(CrashPlace.Gate, scene => Task.CompletedTask, (scene, api) => scene.RushAsync(api));
    private static readonly CrashCase Consuming = new(
        CrashPlace.Worker, scene => scene.FillQueueAsync(), (scene, worker) => CrashScene.LetConsume(worker));
    private static readonly CrashCase Loading = new(
        CrashPlace.Gate, scene => scene.Sale.RushAsync(CrashScene.BurstCount), (scene, api) => scene.LoseConnectionAsync(api));
    private static readonly CrashCase Abandoning = new(
        CrashPlace.Operators, scene => scene.KillOrdersAsync(), (scene, api) => scene.ActAsync("abandon", api),
        scene => scene.FinishLettersAsync("abandon"));

    /// <summary>One case for each crash point.</summary>
    public static readonly IReadOnlyDictionary<string, CrashCase> All = new Dictionary<string, CrashCase>
    {
        [CrashPoint.Reserved] = Clicking,
        [CrashPoint.Published] = Clicking,
        [CrashPoint.Confirmed] = Clicking,
        [CrashPoint.OutboxMarked] = Clicking,
        [CrashPoint.Swept] = new(CrashPlace.Gate, scene => scene.LeaveUnconfirmedAsync(), (scene, api) => Task.CompletedTask),
        [CrashPoint.GateClosed] = Loading with { Provoke = (scene, api) => scene.LoseLoadsAsync(api) },
        [CrashPoint.BuyersRestored] = Loading,
        [CrashPoint.StockLoaded] = Loading,
        [CrashPoint.Received] = Consuming,
        [CrashPoint.Written] = Consuming,
        [CrashPoint.Committed] = Consuming,
        [CrashPoint.Settled] = Consuming,
        [CrashPoint.DeadLettered] =
            Consuming with { Prepare = scene => scene.FillQueueAsync(poison: 6), Finish = scene => scene.PurgeLettersAsync() },
        [CrashPoint.Acked] = Consuming,
        [CrashPoint.RejectionWritten] = Abandoning,
        [CrashPoint.AbandonSettled] = Abandoning,
        [CrashPoint.Replayed] = Abandoning with
        {
            Provoke = (scene, api) => scene.ActAsync("replay", api),
            Finish = scene => scene.FinishLettersAsync("replay"),
        },
        [CrashPoint.SaleChanged] = new(
            CrashPlace.Operators, scene => Task.CompletedTask, (scene, api) => scene.AddStockAsync(api),
            scene => scene.Additions.FinishAsync()),
    };
}

/// <summary>The actions of the cases.</summary>
internal sealed class CrashScene(FaultSystem faults, SaleOnTrial sale, CancellationToken cancellation)
{
    /// <summary>Orders in one burst: at least five batches.</summary>
    public const int BurstCount = 48;

    private const int LetterCount = 9;
    private const int StartTimeoutMs = 120_000;
    private const int LettersTimeoutMs = 60_000;
    private const int RepeatPauseMs = 50;

    private readonly LocalSystem _system = faults.System;

    public SaleOnTrial Sale => sale;

    public StockAdditions Additions { get; } = new(faults, sale, cancellation);

    public async Task RushAsync(LocalService api)
    {
        await HealthyOrDeadAsync(api);
        await sale.RushUntilDeadAsync(api);
    }

    public async Task AddStockAsync(LocalService api)
    {
        await HealthyOrDeadAsync(api);
        await Additions.AddUntilDeadAsync(api);
    }

    /// <summary>Puts orders, and messages that can never become one, into the queue and the paused worker's connection.</summary>
    public async Task FillQueueAsync(int poison = 0)
    {
        _system.Workers[0].Pause();
        await sale.RushAllAsync(BurstCount / 2);
        await using var connection = await faults.ConnectAsync(cancellation);
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true), cancellation);
        for (var i = 0; i < poison; i++)
        {
            await channel.BasicPublishAsync(
                OrderTopology.Exchange, OrderTopology.RoutingKey, mandatory: true, new BasicProperties { Persistent = true },
                Encoding.UTF8.GetBytes($"poison {i}"), cancellation);
        }

        await sale.RushAllAsync(BurstCount / 2);
    }

    /// <summary>Resumes the paused worker; a worker that takes over starts consuming by itself.</summary>
    public static Task LetConsume(LocalService worker)
    {
        worker.Continue();
        return Task.CompletedTask;
    }

    /// <summary>Checks that the dead-letter queue holds each poison message at least once, and nothing else.</summary>
    public async Task PurgeLettersAsync()
    {
        await Deadline.UntilAsync(() => sale.UnsettledAsync(), unsettled => unsettled == 0, cancellation, LettersTimeoutMs);
        await using var connection = await faults.ConnectAsync(cancellation);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellation);
        var bodies = new HashSet<string>();
        long? emptyAt = null;
        await Deadline.UntilAsync(
            async () =>
            {
                var ready = await channel.MessageCountAsync(OrderTopology.Queue, cancellation);
                emptyAt = ready > 0 ? null : emptyAt ?? Stopwatch.GetTimestamp();
                var areAllThrough = emptyAt is { } at && await AreHandsEmptyAsync(at);
                while (await channel.BasicGetAsync(OrderTopology.DeadLetterQueue, autoAck: true, cancellation) is { } letter)
                {
                    bodies.Add(Encoding.UTF8.GetString(letter.Body.Span));
                }

                return areAllThrough && bodies.Count >= 6;
            },
            isDone => isDone, cancellation, LettersTimeoutMs);
        Assert.All(bodies, body => Assert.StartsWith("poison ", body, StringComparison.Ordinal));
    }

    /// <summary>
    /// Whether the workers hold no message that they received before. When the queue has six letters, a worker may still hold their
    /// originals and publish six more.
    /// </summary>
    private async Task<bool> AreHandsEmptyAsync(long emptyAt)
    {
        var holdings = await new HeldMessages(_system.RedisConnection).ReadAsync(cancellation);
        return holdings.Workers >= _system.Workers.Count && holdings.OldestAge < Stopwatch.GetElapsedTime(emptyAt);
    }

    /// <summary>Leaves orders without a confirm, like an Api killed in the middle of a burst, and no running Api.</summary>
    public async Task LeaveUnconfirmedAsync()
    {
        await faults.EndAllAsync(_system.Workers);
        await sale.RushAllAsync(BurstCount);
        await faults.EndAllAsync(_system.Apis);
        var database = _system.RedisConnection.GetDatabase();
        foreach (var sku in sale.Skus)
        {
            var ids = await database.SortedSetRangeByRankAsync(sku.Outbox);
            Assert.NotEmpty(ids);
            await database.SortedSetUpdateAsync(sku.Outbox, [.. ids.Select(id => new SortedSetEntry(id, 0))], SortedSetWhen.Exists);
        }
    }

    /// <summary>
    /// Redis comes back as another server with all its data. The second armed process finds the state that the first one left.
    /// </summary>
    public async Task LoseConnectionAsync(LocalService api)
    {
        await HealthyOrDeadAsync(api);
        if (!api.Exited.IsCompleted)
        {
            await _system.Redis.RestartAsync(cancellation);
            await sale.RushUntilDeadAsync(api);
        }
    }

    /// <summary>Redis comes back with loads that differ from MySQL's: the gates have to be closed.</summary>
    public async Task LoseLoadsAsync(LocalService api)
    {
        await HealthyOrDeadAsync(api);
        if (!api.Exited.IsCompleted)
        {
            var database = _system.RedisConnection.GetDatabase();
            await Task.WhenAll(sale.Skus.Select(sku => database.HashSetAsync(sku.Sale, "load", 1)));
        }

        await LoseConnectionAsync(api);
    }

    /// <summary>Turns good orders into dead letters while their reservations are still pending.</summary>
    public async Task KillOrdersAsync()
    {
        await faults.EndAllAsync(_system.Workers);
        foreach (var click in sale.NewClicks(LetterCount))
        {
            // One after the other, so that each order gets its own message.
            await sale.SendAsync([click]);
            await sale.RepeatUnansweredAsync();
        }

        await using var connection = await faults.ConnectAsync(cancellation);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellation);
        for (var i = 0; i < LetterCount; i++)
        {
            var delivery = await Deadline.UntilAsync(
                () => channel.BasicGetAsync(OrderTopology.Queue, autoAck: false, cancellation), got => got is not null, cancellation,
                LettersTimeoutMs);
            await channel.BasicRejectAsync(delivery!.DeliveryTag, requeue: false, cancellation);
        }

        await sale.UntilDeadLettersAsync(LetterCount);
    }

    /// <summary>The operator handles the letters until the Api dies or no letter is left.</summary>
    public async Task ActAsync(string action, LocalService api)
    {
        await HealthyOrDeadAsync(api);
        using var client = _system.Client(api);
        var started = Stopwatch.GetTimestamp();
        while (!api.Exited.IsCompleted && Stopwatch.GetElapsedTime(started).TotalMilliseconds < LettersTimeoutMs)
        {
            try
            {
                var list = await client.GetAsync("/api/ops/dead-letters", cancellation, SaleOnTrial.Operator);
                if (list.Text("count") == "0")
                {
                    return;
                }

                if (list.Text("count") is not null)
                {
                    var id = list.Body.GetProperty("items")[0].GetProperty("id").GetString();
                    var answer = await client.PostAsync(
                        string.Create(CultureInfo.InvariantCulture, $"/api/ops/dead-letters/{id}/{action}"), null, cancellation,
                        SaleOnTrial.Operator);
                    if (answer.Status == HttpStatusCode.OK)
                    {
                        continue;
                    }
                }
            }
            catch (HttpRequestException)
            {
                // The Api is dead or about to die.
            }

            // 409: the dead letters are still locked for the process that died.
            await Task.Delay(RepeatPauseMs, cancellation);
        }
    }

    public async Task FinishLettersAsync(string action)
    {
        await ActAsync(action, _system.Apis[0]);
        await sale.UntilDeadLettersAsync(0);
    }

    /// <summary>Some points are reached during startup.</summary>
    private async Task HealthyOrDeadAsync(LocalService service)
    {
        try
        {
            await service.WaitUntilHealthyAsync(StartTimeoutMs, cancellation);
        }
        catch (LocalServerException) when (service.Exited.IsCompleted)
        {
            // Already dead; the test asserts the exit code.
        }
    }
}
