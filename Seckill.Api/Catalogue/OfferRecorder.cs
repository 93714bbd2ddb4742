using Microsoft.EntityFrameworkCore;
using Seckill.Api.Errors;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Store;

namespace Seckill.Api.Catalogue;

/// <summary>
/// Records the offer of each SKU before anybody can buy it. An order refers to its <see cref="Offer"/> by version, and the worker takes
/// title, image and attributes from here if the SKU has been edited since. The price travels with the order itself.
/// </summary>
public sealed partial class OfferRecorder(TimeProvider time, ILogger<OfferRecorder> logger)
{
    /// <summary>Maximum number of offers in one statement.</summary>
    private const int BatchSizeMax = 200;

    private const int ColumnCount = 7;

    /// <summary>The version that this process recorded last for each SKU on sale.</summary>
    private Dictionary<long, string> _recorded = [];
    private bool _failed;

    /// <summary>
    /// Records new offers. A failure is logged once and retried at the next call. It does not stop any sale: it affects only the title of
    /// an order whose SKU is edited before the order is written.
    /// </summary>
    public async Task RecordAsync(
        OrderingDbContext context, IEnumerable<(ProductSku Sku, Offer Offer)> offers, CancellationToken cancellationToken)
    {
        var recorded = new Dictionary<long, string>();
        var added = new List<(ProductSku Sku, Offer Offer)>();
        foreach (var (sku, offer) in offers)
        {
            if (_recorded.GetValueOrDefault(sku.Id) != offer.Version)
            {
                added.Add((sku, offer));
            }
            else
            {
                recorded.Add(sku.Id, offer.Version);
            }
        }

        try
        {
            foreach (var batch in added.Chunk(BatchSizeMax))
            {
                await InsertAsync(context, batch, cancellationToken);
                foreach (var (sku, offer) in batch)
                {
                    recorded.Add(sku.Id, offer.Version);
                }
            }

            _failed = false;
        }
        catch (Exception exception) when (ServerFailures.IsOf(exception))
        {
            // The table does not exist until the first worker of this version has migrated.
            if (!_failed)
            {
                LogFailed(exception.Message);
            }

            _failed = true;
        }

        _recorded = recorded;
    }

    private async Task InsertAsync(OrderingDbContext context, (ProductSku Sku, Offer Offer)[] batch, CancellationToken cancellationToken)
    {
        var values = Enumerable.Range(0, batch.Length).Select(row =>
            $"({string.Join(',', Enumerable.Range(row * ColumnCount, ColumnCount).Select(column => $"{{{column}}}"))})");
        // The first record is kept: equal versions have equal contents.
        var sql = "INSERT INTO sku_offers (sku_id, version, price, title, image, attrs, offered_at) VALUES "
            + string.Join(',', values) + " ON DUPLICATE KEY UPDATE sku_id = VALUES(sku_id)";
        var now = time.GetUtcNow().UtcDateTime;
        await context.Database.ExecuteSqlRawAsync(
            sql,
            batch.SelectMany(added => new object[]
            {
                added.Sku.Id, added.Offer.Version, added.Offer.Price, added.Sku.Title, added.Sku.Image, added.Sku.Attrs, now,
            }),
            cancellationToken);
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The offers were not recorded: {Reason}; until they are, orders that are written after an edit show the new title")]
    private partial void LogFailed(string reason);
}
