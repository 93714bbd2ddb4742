using System.Diagnostics;

namespace Seckill.Tests.Faults;

/// <summary>MySQL is frozen.</summary>
[Collection(nameof(FaultSystem))]
public sealed class FrozenMySqlTests(FaultSystem faults)
{
    /// <summary>Orders older than 10 s by Redis's clock are looked up in MySQL, too.</summary>
    private const int OldAfterMs = 13_000;

    /// <summary>A fraction of a query's time-out.</summary>
    private const int AnswerMsMax = 2_000;

    private const int OldAnswers = 30;

    /// <summary>The machine may be busy, or Redis may pause; but if MySQL were waited for, every answer would be late.</summary>
    private const double LateShareMax = 1.0 / 3;

    private readonly CancellationToken _cancellation = TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_buyer_hears_at_once_what_Redis_knows()
    {
        var system = await faults.ReadyAsync(_cancellation, faults.PatientApi);
        var sale = await SaleOnTrial.OpenAsync(faults, _cancellation, unitsEach: 10);
        using var client = system.Client();
        var (skuId, bought) = (sale.Skus[0].SkuId, Stopwatch.GetTimestamp());
        system.MySql.Pause();
        try
        {
            Assert.Equal(
                System.Net.HttpStatusCode.OK, (await client.BuyAsync(SaleOnTrial.TokenOf(skuId), skuId, _cancellation)).Status);
            var (young, old) = (new List<bool>(), new List<bool>());
            await Deadline.UntilAsync(
                async () =>
                {
                    young.Add(await IsPendingAtOnceAsync());
                    return Stopwatch.GetElapsedTime(bought).TotalMilliseconds;
                }, age => age > OldAfterMs, _cancellation);
            for (var i = 0; i < OldAnswers; i++)
            {
                old.Add(await IsPendingAtOnceAsync());
            }

            Assert.InRange(young.Count(atOnce => !atOnce), 0, young.Count * LateShareMax);
            Assert.InRange(old.Count(atOnce => !atOnce), 0, old.Count * LateShareMax);
        }
        finally
        {
            system.MySql.Continue();
        }

        await client.OutcomeAsync(SaleOnTrial.TokenOf(skuId), skuId, _cancellation);

        async Task<bool> IsPendingAtOnceAsync()
        {
            var asked = Stopwatch.GetTimestamp();
            var answer = await client.StatusAsync(SaleOnTrial.TokenOf(skuId), skuId, _cancellation);
            var tookMs = Stopwatch.GetElapsedTime(asked).TotalMilliseconds;
            Assert.Equal("PENDING", answer.Text("status"));
            return tookMs <= AnswerMsMax;
        }
    }
}
