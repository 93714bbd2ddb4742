using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Seckill.Tests.Faults;

/// <summary>
/// An operator who adds units while the sale runs, and repeats the same request when there is no answer.
/// </summary>
internal sealed class StockAdditions(FaultSystem faults, SaleOnTrial sale, CancellationToken cancellation)
{
    private const int Each = 100;

    private int _begun;
    private int? _withoutAnswer;

    /// <summary>Adds to one SKU after the other, with buyers at the same time, until the Api is dead.</summary>
    public async Task AddUntilDeadAsync(LocalService api)
    {
        var rush = sale.RushUntilDeadAsync(api);
        while (!api.Exited.IsCompleted)
        {
            await AddAsync(api);
        }

        await rush;
    }

    /// <summary>Repeats the unanswered request until it has an answer.</summary>
    public async Task FinishAsync()
    {
        while (_withoutAnswer is not null)
        {
            await AddAsync(faults.System.Apis[0]);
        }

        Assert.True(sale.Skus.Sum(sku => sale.Units(sku) - SaleOnTrial.UnitsEach) >= 3 * Each, "Hardly anything was added.");
    }

    /// <summary>Adds to the next SKU through one Api, and repeats the request until there is an answer.</summary>
    public async Task AddOneAsync(LocalService api)
    {
        var asking = Stopwatch.GetTimestamp();
        do
        {
            await AddAsync(api);
            Assert.True(Stopwatch.GetElapsedTime(asking).TotalMilliseconds < Deadline.TimeoutMs, "Adding stock is not answered.");
        }
        while (_withoutAnswer is not null);
    }

    private async Task AddAsync(LocalService api)
    {
        var turn = _withoutAnswer ?? _begun++;
        var sku = sale.Skus[turn % sale.Skus.Count];
        _withoutAnswer = turn;
        var before = sale.Units(sku);
        using var client = faults.System.Client(api);
        try
        {
            var answer = await client.PostAsync(
                string.Create(CultureInfo.InvariantCulture, $"/api/ops/sales/{sku.SkuId}/stock"),
                string.Create(CultureInfo.InvariantCulture, $$"""{"add":{{Each}},"units_before":{{before}}}"""), cancellation,
                SaleOnTrial.Operator);
            if ((int)answer.Status >= 500)
            {
                return;
            }

            // Exactly once: it is done now, or was done before the last process died.
            Assert.True(
                answer.Status == HttpStatusCode.OK
                    || answer.Error == string.Create(CultureInfo.InvariantCulture, $"units are {before + Each} now"),
                $"{answer.Status}: {answer.Body}");
            sale.CountUnits(sku, Each);
            _withoutAnswer = null;
        }
        catch (HttpRequestException)
        {
            // The Api is dead or about to die.
        }
    }
}
