using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Options;
using Seckill.Api.Orders;

namespace Seckill.Api.Push;

/// <summary>A page's request to start, or resume, listening.</summary>
/// <param name="UserId">The buyer.</param>
/// <param name="SkuIds">SKUs for which the state of the buyer's newest order is sent first: its outcome may have been decided before the
/// page listened.</param>
/// <param name="LastEventId">The last event that the page has got, which is not sent again; null for none.</param>
/// <param name="LoginEnds">UTC; when the login expires and the connection ends.</param>
public sealed record OutcomeRequest(long UserId, IReadOnlyList<long> SkuIds, string? LastEventId, DateTime LoginEnds);

/// <summary>
/// The outcomes of one buyer: first the state of the requested SKUs, then each outcome as it is settled. Listening begins before the state
/// is read, so no outcome in between is missed; one may be sent twice, with the same id. A page that resumes is sent older outcomes than
/// its last one too: they may have been lost on the way, because pub/sub repeats nothing. Null is a heartbeat.
/// </summary>
public sealed class OutcomeFeed(
    OrderStatusReader reader, IOptions<PushOptions> options, TimeProvider time, IHostApplicationLifetime lifetime)
{
    public async IAsyncEnumerable<OrderStatusResponse?> ReadAsync(
        OutcomeListening listening, OutcomeRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ended = new CancellationTokenSource(LengthOf(request), time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping, ended.Token);
        foreach (var skuId in request.SkuIds)
        {
            var (status, _) = await reader.ReadAsync(request.UserId, skuId, null, stop.Token);
            if (status is not null && (status.SettledAtMs is null || IdOf(status) != request.LastEventId))
            {
                yield return status;
            }
        }

        Task? more = null;
        while (!stop.IsCancellationRequested)
        {
            while (listening.Outcomes.TryRead(out var outcome))
            {
                yield return outcome;
            }

            more ??= listening.Outcomes.WaitToReadAsync(CancellationToken.None).AsTask();
            await more.WaitAsync(TimeSpan.FromMilliseconds(options.Value.KeepAliveMs), time, stop.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (more.IsCompleted)
            {
                more = null;
            }
            else if (!stop.IsCancellationRequested)
            {
                yield return null;
            }
        }
    }

    private TimeSpan LengthOf(OutcomeRequest request)
    {
        var longest = TimeSpan.FromSeconds(options.Value.ConnectionSecondsMax);
        // The login was valid a moment ago; the rest of its lifetime may be zero, but must not be negative.
        var left = request.LoginEnds - time.GetUtcNow().UtcDateTime;
        return left < TimeSpan.Zero ? TimeSpan.Zero : left < longest ? left : longest;
    }

    /// <summary>The id of an event, from which a page resumes; null for an undecided order.</summary>
    public static string? IdOf(OrderStatusResponse outcome) =>
        outcome.SettledAtMs is { } settled ? string.Create(CultureInfo.InvariantCulture, $"{settled}-{outcome.OrderId}") : null;
}
