using System.Diagnostics;
using System.Globalization;
using RabbitMQ.Client.Exceptions;
using Seckill.Bench.Load;
using StackExchange.Redis;

namespace Seckill.Bench.Chaos;

/// <summary>The results of one run.</summary>
public sealed record ChaosFigures(
    ChaosOptions Options, string Versions, TimeSpan Elapsed, IReadOnlyCollection<ClickHistory> Clicks, ChaosBooks Books,
    ChaosVerdict Verdict, IReadOnlyDictionary<Component, int> Kills, IReadOnlyDictionary<Component, int> Freezes, int BadMessages,
    int LockedRows, IReadOnlyDictionary<string, int> Edits, int Comparisons)
{
    /// <summary>Clean, and everything was killed as often as planned.</summary>
    public bool Clean => Verdict.Clean && Options.Victims.All(victim => Kills[victim] >= Options.KillsMin);
}

/// <summary>Sells while everything is being killed, lets it come to rest, and reads the books of all three servers.</summary>
/// <param name="options">The run's settings.</param>
/// <param name="log">Gets what the applications print.</param>
/// <param name="say">Gets the progress.</param>
/// <param name="startServersAsync">Starts the servers, without applications; private servers if not given. A run that kills
/// servers needs private ones.</param>
public sealed class ChaosRun(
    ChaosOptions options, ChaosLog log, Action<string> say,
    Func<LocalSystemOptions, CancellationToken, Task<LocalSystem>>? startServersAsync = null)
{
    private const int RequestTimeoutMs = 15_000;
    private const int LastAnswersTimeoutMs = 60_000;
    private const int RestPollMs = 250;
    private const int SayEveryMs = 5_000;

    private readonly IReadOnlyList<ChaosSale> _sales = ChaosSale.Plan(options);

    /// <exception cref="LocalServers.LocalServerException">A server is missing, did not start, or did not come back.</exception>
    public async Task<ChaosFigures> ExecuteAsync(CancellationToken cancellationToken)
    {
        say("starting private Redis, RabbitMQ and MySQL, two workers and two gates");
        await using var system = await ChaosSystem.StartAsync(
            options, log, startServersAsync ?? LocalSystem.StartServersAsync, cancellationToken);
        say(system.Versions);
        var shops = system.Apis.Select(gate => new GateClient(gate, options.Concurrency, RequestTimeoutMs)).ToArray();
        try
        {
            return await ExecuteAsync(system, shops, cancellationToken);
        }
        finally
        {
            foreach (var shop in shops)
            {
                shop.Dispose();
            }
        }
    }

    private async Task<ChaosFigures> ExecuteAsync(ChaosSystem system, GateClient[] shops, CancellationToken cancellationToken)
    {
        await OpenSalesAsync(system, shops, cancellationToken);
        var issuer = new TokenIssuer(CheckoutKeys.SigningKey);
        var pollers = new Pollers(shops);
        var crowd = new Crowd(_sales, shops, issuer, pollers, options);
        var storm = new Storm(system, options);
        var disturbances = new Disturbances(system, _sales, options, log);
        using var edits = new SaleEdits(system, _sales, issuer.ForOperator(), options, log);
        var watch = new ReconciliationWatch(system.Apis, issuer.ForOperator(), log);

        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var background = Task.WhenAll(pollers.RunAsync(end.Token), watch.RunAsync(end.Token), TellAsync(crowd, storm, pollers, end.Token));
        var started = Stopwatch.GetTimestamp();
        await SellAsync(crowd, storm, [disturbances.RunAsync, edits.RunAsync], cancellationToken);
        var elapsed = Stopwatch.GetElapsedTime(started);

        say("the storm is over; waiting until everything is at rest");
        pollers.Hurry();
        await RestAsync(system, pollers, edits, cancellationToken);
        await end.CancelAsync();
        await background;

        say("stopping the applications, reading the books");
        await system.StopApplicationsAsync();
        var books = await ChaosBooks.ReadAsync(system, edits.Sales, cancellationToken);
        var verdict = ChaosVerdict.Of(books, crowd.Clicks, watch.Alarms, disturbances.BadMessages, line => log.Write("chaos", line));
        return new ChaosFigures(
            options, system.Versions, elapsed, crowd.Clicks, books, verdict,
            Enum.GetValues<Component>().ToDictionary(component => component, storm.KillsOf),
            Enum.GetValues<Component>().ToDictionary(component => component, storm.FreezesOf),
            disturbances.BadMessages.Count, disturbances.LockCount, edits.Counts, watch.Comparisons);
    }

    private async Task OpenSalesAsync(ChaosSystem system, GateClient[] shops, CancellationToken cancellationToken)
    {
        await using (var connection = await system.OpenMySqlAsync(cancellationToken))
        {
            foreach (var sale in _sales)
            {
                await sale.CreateAsync(connection, cancellationToken);
            }
        }

        foreach (var shop in shops)
        {
            foreach (var sale in _sales)
            {
                await sale.WaitUntilOpenAsync(shop, cancellationToken);
            }
        }
    }

    /// <summary>Buyers come while the storm lasts; those without an answer may finish once everything is back.</summary>
    private static async Task SellAsync(
        Crowd crowd, Storm storm, Func<CancellationToken, Task>[] meanwhile, CancellationToken cancellationToken)
    {
        using var closing = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var last = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var buying = Task.WhenAll([crowd.RunAsync(closing.Token, last.Token), .. meanwhile.Select(run => run(closing.Token))]);
        try
        {
            await storm.RunAsync(cancellationToken);
        }
        finally
        {
            await closing.CancelAsync();
            last.CancelAfter(LastAnswersTimeoutMs);
            await buying;
        }
    }

    /// <summary>
    /// Waits until every buyer has an answer and no reservation is open. Bounded: the audit finds whatever is still open.
    /// </summary>
    private async Task RestAsync(ChaosSystem system, Pollers pollers, SaleEdits edits, CancellationToken cancellationToken)
    {
        await system.WaitUntilHealthyAsync(cancellationToken);
        await edits.FinishAsync(cancellationToken);
        await using var redis = await ChaosBooks.ConnectAsync(system);
        await using var broker = await ChaosBooks.ConnectToBrokerAsync(system, cancellationToken);
        await using var channel = await broker.CreateChannelAsync(cancellationToken: cancellationToken);
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started).TotalMilliseconds < options.RestTimeoutMs)
        {
            try
            {
                if (pollers.OpenCount == 0 && await ChaosBooks.UnsettledAsync(redis.GetDatabase(), _sales) == 0
                    && await ChaosBooks.LeftInQueuesAsync(channel, cancellationToken) == 0)
                {
                    return;
                }
            }
            catch (Exception exception) when (exception is RedisException or RabbitMQClientException or TimeoutException)
            {
                log.Write("chaos", exception.Message);
            }

            await Task.Delay(RestPollMs, cancellationToken);
        }
    }

    private async Task TellAsync(Crowd crowd, Storm storm, Pollers pollers, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        while (!cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(SayEveryMs, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            say(string.Create(
                CultureInfo.InvariantCulture,
                $"{Stopwatch.GetElapsedTime(started).TotalSeconds,4:F0} s: {crowd.ClickCount:N0} clicks, {storm.KillCount} kills, "
                    + $"{pollers.OpenCount:N0} are waiting for their outcome"));
        }
    }
}
