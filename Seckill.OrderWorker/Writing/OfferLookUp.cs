using System.Collections.Concurrent;
using System.Text;
using MySqlConnector;
using Seckill.Ordering.Contract;
using Seckill.OrderWorker.Batches;

namespace Seckill.OrderWorker.Writing;

/// <summary>
/// Finds the offers of orders whose SKU was edited between the click and the writing. An offer never changes, so it is read once. A
/// missing offer is left to <see cref="BatchFacts.RowFor"/>.
/// </summary>
internal sealed class OfferLookUp
{
    /// <summary>Most offers cached; edits of a running sale are few.</summary>
    private const int KeptMax = 1_000;

    private readonly ConcurrentDictionary<(long SkuId, string Offer), (string Title, string Image, string Attrs)> _kept = new();

    /// <summary>Adds the offers of these orders to <paramref name="facts"/> where they differ from the current rows.</summary>
    public async Task AddAsync(
        IReadOnlyList<OrderInHand> orders, BatchFacts facts, MySqlTransaction transaction, int commandTimeoutSeconds,
        CancellationToken cancellationToken)
    {
        List<(long SkuId, string Offer)>? asked = null;
        foreach (var order in orders)
        {
            var (skuId, text) = (order.Message.SkuId, order.Message.Offer);
            if (text is null || !facts.Skus.TryGetValue(skuId, out var sku) || sku.Offer?.Text == text
                || asked?.Contains((skuId, text)) == true)
            {
                continue;
            }

            (asked ??= []).Add((skuId, text));
        }

        if (asked is null)
        {
            return;
        }

        var unknown = asked.FindAll(offer => !_kept.ContainsKey(offer));
        if (unknown.Count > 0)
        {
            await ReadAsync(unknown, transaction, commandTimeoutSeconds, cancellationToken);
        }

        foreach (var key in asked)
        {
            if (_kept.TryGetValue(key, out var found) && Offer.TryParse(key.Offer, out var offer))
            {
                facts.Offered[key] = facts.Skus[key.SkuId] with
                {
                    Price = offer.Price,
                    Title = found.Title,
                    Image = found.Image,
                    Attrs = found.Attrs,
                };
            }
        }
    }

    private async Task ReadAsync(
        List<(long SkuId, string Offer)> offers, MySqlTransaction transaction, int commandTimeoutSeconds,
        CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand
        {
            Connection = transaction.Connection,
            Transaction = transaction,
            CommandTimeout = commandTimeoutSeconds,
        };
        var sql = new StringBuilder("SELECT sku_id, version, title, image, attrs FROM sku_offers WHERE (sku_id, version) IN (");
        for (var i = 0; i < offers.Count; i++)
        {
            sql.Append(i == 0 ? "(" : ",(").Append(offers[i].SkuId).Append(',')
                .Append(command.Parameter(offers[i].Offer[^Offer.VersionLength..])).Append(')');
        }

        command.CommandText = sql.Append(')').ToString();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (_kept.Count > KeptMax)
        {
            _kept.Clear();
        }

        while (await reader.ReadAsync(cancellationToken))
        {
            var (skuId, version) = (reader.GetInt64(0), reader.GetString(1));
            foreach (var offer in offers.Where(offer => offer.SkuId == skuId && offer.Offer.EndsWith(version, StringComparison.Ordinal)))
            {
                _kept[offer] = (reader.GetString(2), reader.GetString(3), reader.GetString(4));
            }
        }
    }
}
