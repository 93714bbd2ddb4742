using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using MySqlConnector;

namespace Seckill.Bench.Chaos;

/// <summary>
/// Operators at work during the storm, through their API: price changes, pauses, more stock. It also does harm: a Snowflake node's lease is
/// stolen from its instance and all other nodes are held for a while, so that the next instance to start generates ids with the same node.
/// </summary>
public sealed class SaleEdits(
    ChaosSystem system, IReadOnlyList<ChaosSale> sales, string operatorToken, ChaosOptions options, ChaosLog log) : IDisposable
{
    private const int EveryMs = 1_500;
    private const int PauseMsMax = 1_000;
    private const int UnitsMax = 20;
    private const int TimeoutMs = 15_000;
    private const int FinishTriesMax = 30;
    private const int FinishDelayMs = 1_000;
    private const int OtherNodesHeldSeconds = 8;

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromMilliseconds(TimeoutMs) };
    private readonly ConcurrentDictionary<string, int> _counts = new();

    /// <summary>Units put on sale, as far as the API has confirmed.</summary>
    private readonly Dictionary<long, int> _units = sales.ToDictionary(sale => sale.SkuId, sale => sale.Units);

    /// <summary>Additions without an answer: repeated with the same <c>units_before</c>.</summary>
    private readonly Dictionary<long, int> _unanswered = [];
    private readonly HashSet<long> _paused = [];

    /// <summary>How often each action was taken.</summary>
    public IReadOnlyDictionary<string, int> Counts => _counts;

    /// <summary>The sales with the units that have been put on sale in all; to be read after <see cref="FinishAsync"/>.</summary>
    public IReadOnlyList<ChaosSale> Sales => [.. sales.Select(sale => sale with { Units = _units[sale.SkuId] })];

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var random = new Random(options.Seed);
        while (options.Disturbed && !cancellationToken.IsCancellationRequested)
        {
            await TryAsync(() => EditAsync(random, cancellationToken), cancellationToken);
            await Task.Delay(random.Next(EveryMs), cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Resumes paused sales, and repeats each addition until it has an answer.</summary>
    /// <exception cref="TimeoutException">Not every addition got an answer.</exception>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        for (var tries = 0; tries < FinishTriesMax; tries++)
        {
            foreach (var skuId in _paused.ToList())
            {
                await TryAsync(() => ResumeAsync(skuId, cancellationToken), cancellationToken);
            }

            foreach (var (skuId, units) in _unanswered.ToList())
            {
                await TryAsync(() => AddStockAsync(skuId, units, cancellationToken), cancellationToken);
            }

            if (_paused.Count + _unanswered.Count == 0)
            {
                return;
            }

            await Task.Delay(FinishDelayMs, cancellationToken);
        }

        throw new TimeoutException("The operators' API has not answered.");
    }

    public void Dispose() => _http.Dispose();

    /// <summary>The gate or a server behind it may be down at any time; a later turn then tries again.</summary>
    private async Task TryAsync(Func<Task> act, CancellationToken cancellationToken)
    {
        try
        {
            await act();
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or MySqlException or InvalidOperationException
            or OperationCanceledException)
        {
            if (!cancellationToken.IsCancellationRequested)
            {
                log.Write("chaos", $"no edit: {exception.Message}");
            }
        }
    }

    private async Task EditAsync(Random random, CancellationToken cancellationToken)
    {
        var skuId = sales[random.Next(sales.Count)].SkuId;
        switch (random.Next(10))
        {
            case < 4:
                await ChangePriceAsync(skuId, random.Next(1, 100), cancellationToken);
                break;
            case < 6:
                await PauseAsync(skuId, random.Next(PauseMsMax), cancellationToken);
                break;
            case < 9:
                await AddStockAsync(skuId, _unanswered.GetValueOrDefault(skuId, random.Next(1, UnitsMax)), cancellationToken);
                break;
            default:
                await StealLeaseAsync(cancellationToken);
                break;
        }
    }

    private async Task ChangePriceAsync(long skuId, int price, CancellationToken cancellationToken)
    {
        if (await SendAsync(HttpMethod.Put, skuId, "", Text($$"""{"price":{{price}}.5}"""), cancellationToken) == HttpStatusCode.OK)
        {
            Count("price edits");
        }
    }

    private async Task PauseAsync(long skuId, int pauseMs, CancellationToken cancellationToken)
    {
        _paused.Add(skuId);
        await SendAsync(HttpMethod.Post, skuId, "/pause", null, cancellationToken);
        Count("pauses");
        await Task.Delay(pauseMs, cancellationToken);
        await ResumeAsync(skuId, cancellationToken);
    }

    private async Task ResumeAsync(long skuId, CancellationToken cancellationToken)
    {
        if (await SendAsync(HttpMethod.Post, skuId, "/resume", null, cancellationToken) == HttpStatusCode.OK)
        {
            _paused.Remove(skuId);
        }
    }

    /// <summary>If the answer was lost but the addition was made, the repeat is refused: the units are no longer the same.</summary>
    private async Task AddStockAsync(long skuId, int units, CancellationToken cancellationToken)
    {
        var repeated = !_unanswered.TryAdd(skuId, units);
        var body = Text($$"""{"add":{{units}},"units_before":{{_units[skuId]}}}""");
        var status = await SendAsync(HttpMethod.Post, skuId, "/stock", body, cancellationToken);
        if (status == HttpStatusCode.OK || (status == HttpStatusCode.Conflict && repeated))
        {
            _units[skuId] += units;
            _unanswered.Remove(skuId);
            Count("additions of stock");
        }
    }

    private async Task StealLeaseAsync(CancellationToken cancellationToken)
    {
        await using var connection = await system.OpenMySqlAsync(cancellationToken);
        await using var chosen = new MySqlCommand(
            "SELECT node FROM snowflake_nodes WHERE leased_until > UTC_TIMESTAMP(6) AND owner <> 'chaos' ORDER BY RAND() LIMIT 1",
            connection);
        if (await chosen.ExecuteScalarAsync(cancellationToken) is not { } node)
        {
            return;
        }

        await using var command = new MySqlCommand(
            """
            UPDATE snowflake_nodes SET owner = 'chaos', leased_until = UTC_TIMESTAMP(6) + INTERVAL @seconds SECOND
                WHERE leased_until < UTC_TIMESTAMP(6);
            UPDATE snowflake_nodes SET owner = 'chaos', leased_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE node = @node;
            """,
            connection);
        command.Parameters.AddWithValue("@seconds", OtherNodesHeldSeconds);
        command.Parameters.AddWithValue("@node", node);
        await command.ExecuteNonQueryAsync(cancellationToken);
        Count("stolen leases");
    }

    private async Task<HttpStatusCode> SendAsync(
        HttpMethod method, long skuId, string action, string? json, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(
            method, new Uri(system.Apis[(int)(skuId % system.Apis.Count)], Text($"/api/ops/sales/{skuId}{action}")));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", operatorToken);
        request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await _http.SendAsync(request, cancellationToken);
        return response.StatusCode;
    }

    private void Count(string what) => _counts.AddOrUpdate(what, 1, (_, count) => count + 1);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
