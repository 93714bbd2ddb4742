using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Seckill.Bench.Chaos;

/// <summary>Requests the live reconciliation throughout the storm: a difference while nothing is wrong would be a false alarm.</summary>
public sealed class ReconciliationWatch(IReadOnlyList<Uri> gates, string operatorToken, ChaosLog log)
{
    private const int EveryMs = 1_000;
    private const int TimeoutMs = 15_000;

    private static readonly string[] Differences = ["difference", "store_difference", "held_difference"];

    private int _comparisons;
    private int _alarms;

    /// <summary>SKUs compared, in all answers.</summary>
    public int Comparisons => Volatile.Read(ref _comparisons);

    /// <summary>How many of them showed a difference.</summary>
    public int Alarms => Volatile.Read(ref _alarms);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromMilliseconds(TimeoutMs) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", operatorToken);
        for (var turn = 0; !cancellationToken.IsCancellationRequested; turn++)
        {
            try
            {
                using var response = await http.GetAsync(new Uri(gates[turn % gates.Count], "/api/ops/reconciliation"), cancellationToken);
                if (response.IsSuccessStatusCode)
                {
                    Read(await response.Content.ReadAsStringAsync(cancellationToken));
                }
            }
            catch (Exception exception)
                when (exception is HttpRequestException or IOException or JsonException or OperationCanceledException)
            {
                // The gate or a server behind it was killed: no comparison, so no alarm.
            }

            await Task.Delay(EveryMs, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Read(string answer)
    {
        using var document = JsonDocument.Parse(answer);
        foreach (var item in document.RootElement.GetProperty("items").EnumerateArray())
        {
            Interlocked.Increment(ref _comparisons);
            if (Differences.Any(name => NumberOf(item, name) != 0))
            {
                Interlocked.Increment(ref _alarms);
                log.Write("chaos", string.Create(CultureInfo.InvariantCulture, $"ALARM {item.GetRawText()}"));
            }
        }
    }

    /// <summary>Absent or null means unknown, which is no alarm.</summary>
    private static long NumberOf(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt64() : 0;
}
