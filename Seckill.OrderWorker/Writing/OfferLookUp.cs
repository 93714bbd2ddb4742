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
    /// <summary>With more offers than this the cache is emptied; edits of a running sale are few.</summary>
    public const int KeptMax = 1_000;

    private readonly ConcurrentDictionary<(long SkuId, string Offer), Texts> _kept = new();

    private sealed record Texts(string Title, string Image, string Attrs);

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

        // This batch's own: another batch may empty the cache meanwhile, and so may the reading below.
        var known = new Dictionary<(long SkuId, string Offer), Texts>(asked.Count);
        foreach (var key in asked)
        {
            if (_kept.TryGetValue(key, out var kept))
            {
                known.Add(key, kept);
            }
        }

        if (known.Count < asked.Count)
        {
            var unknown = asked.FindAll(key => !known.ContainsKey(key));
            var read = await ReadAsync(unknown, transaction, commandTimeoutSeconds, cancellationToken);
            read.ForEach(row => known[row.Key] = row.Texts);
            Keep(read);
        }

        foreach (var key in asked)
        {
            if (known.TryGetValue(key, out var found) && Offer.TryParse(key.Offer, out var offer))
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

    private void Keep(List<((long SkuId, string Offer) Key, Texts Texts)> read)
    {
        if (_kept.Count > KeptMax)
        {
            _kept.Clear();
        }

        read.ForEach(row => _kept[row.Key] = row.Texts);
    }

    /// <summary>The offers that MySQL has, as far as it has them.</summary>
    private static async Task<List<((long SkuId, string Offer) Key, Texts Texts)>> ReadAsync(
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
        var read = new List<((long SkuId, string Offer) Key, Texts Texts)>(offers.Count);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var (skuId, version) = (reader.GetInt64(0), reader.GetString(1));
            var texts = new Texts(reader.GetString(2), reader.GetString(3), reader.GetString(4));
            read.AddRange(offers
                .Where(offer => offer.SkuId == skuId && offer.Offer.EndsWith(version, StringComparison.Ordinal))
                .Select(offer => (offer, texts)));
        }

        return read;
    }
}
