using System.Collections.Frozen;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;
using Seckill.Ordering.Store;

namespace Seckill.Api.Catalogue;

/// <summary>A SKU on sale, as the buyer's page shows it. Prices in the shop's currency, times in UTC.</summary>
public sealed record SaleView(
    long SkuId, long ProductId, string Title, string ProductTitle, string Image, JsonElement Attrs,
    Offer Offer, decimal ListPrice, SaleTerms Terms, bool TokenRequired, int? Units);

/// <summary>
/// The sales, read from MySQL every <c>RefreshEveryMs</c> and kept in memory: no click ever asks MySQL. With MySQL away the last copy
/// goes on serving.
/// </summary>
public sealed partial class SaleCatalogue(
    IServiceScopeFactory scopes, OfferRecorder offers, IOptions<CatalogueOptions> options, TimeProvider time,
    ILogger<SaleCatalogue> logger) : BackgroundService
{
    /// <summary>
    /// Of the sales that Redis has forgotten the latest are remembered by their end alone: their clicks are told that it is over.
    /// </summary>
    private const int ForgottenMax = 100_000;

    private FrozenDictionary<long, SaleView>? _sales;
    private Dictionary<long, DateTimeOffset> _forgotten = [];

    /// <summary>Whether the sales have been read at least once.</summary>
    public bool Loaded => Volatile.Read(ref _sales) is not null;

    public IReadOnlyCollection<SaleView> Sales => Volatile.Read(ref _sales)?.Values ?? [];

    /// <summary>
    /// Sales that Redis keeps, in the order of their ids: what has been over for longer than <see cref="StockLedger.ExpiryOf"/> lives in
    /// MySQL alone and is neither loaded, nor swept, nor compared any more.
    /// </summary>
    public IReadOnlyList<long> KeptSkuIds
    {
        get
        {
            var now = time.GetUtcNow();
            return [.. Sales.Where(sale => StockLedger.ExpiryOf(sale.Terms) > now).Select(sale => sale.SkuId).Order()];
        }
    }

    /// <summary>
    /// At most so many of those that have begun, the latest first: where an order that is on its way is to be looked for.
    /// </summary>
    public IReadOnlyList<long> NewestSkuIds(int countMax)
    {
        var now = time.GetUtcNow();
        return [.. Sales.Where(sale => sale.Terms.StartsAt <= now).OrderByDescending(sale => sale.Terms.EndsAt > now)
            .ThenByDescending(sale => sale.Terms.StartsAt).ThenByDescending(sale => sale.SkuId).Take(countMax).Select(sale => sale.SkuId)];
    }

    /// <summary>Why a sale that MySQL has cannot be sold, by SKU.</summary>
    public IReadOnlyDictionary<long, string> Unreadable { get; private set; } = new Dictionary<long, string>();

    /// <summary>Raised after each reading.</summary>
    public event Action? Refreshed;

    public bool IsOnSale(long skuId) => Volatile.Read(ref _sales)?.ContainsKey(skuId) ?? false;

    /// <summary>One sale; null when there is none of this SKU.</summary>
    public SaleView? Find(long skuId) => Volatile.Read(ref _sales)?.GetValueOrDefault(skuId);

    /// <summary>When a sale ended that is so long over that it has left the catalogue; null when there was none of this SKU.</summary>
    public DateTimeOffset? EndOfForgotten(long skuId) => Volatile.Read(ref _forgotten).TryGetValue(skuId, out var endsAt) ? endsAt : null;

    /// <summary>Whether there is, or was, a sale of this SKU, readable or not; of those long over the latest are known.</summary>
    public bool Knows(long skuId) =>
        IsOnSale(skuId) || Unreadable.ContainsKey(skuId) || EndOfForgotten(skuId) is not null
        || Volatile.Read(ref _forgotten).Count >= ForgottenMax;

    /// <summary>Reads the sales now.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var context = scope.ServiceProvider.GetRequiredService<OrderingDbContext>();
        var forgotten = time.GetUtcNow().UtcDateTime.AddDays(-StockLedger.RetentionDays);
        var rows = await context.ProductSkus.AsNoTracking()
            .Where(sku => sku.Sale != null && sku.Sale.EndsAt > forgotten)
            .Select(sku => new { Sku = sku, sku.Product!.Title, Sale = sku.Sale! })
            .ToListAsync(cancellationToken);
        var over = await context.SeckillSales.AsNoTracking().Where(sale => sale.EndsAt <= forgotten)
            .OrderByDescending(sale => sale.EndsAt).Take(ForgottenMax).Select(sale => new { sale.SkuId, sale.EndsAt })
            .ToDictionaryAsync(sale => sale.SkuId, sale => new DateTimeOffset(sale.EndsAt, TimeSpan.Zero), cancellationToken);
        var (sales, unreadable) = (new List<SaleView>(rows.Count), new Dictionary<long, string>());
        foreach (var row in rows)
        {
            try
            {
                sales.Add(new SaleView(
                    row.Sku.Id, row.Sku.ProductId, row.Sku.Title, row.Title, row.Sku.Image, AttrsOf(row.Sku),
                    Offer.Of(row.Sku.Price, row.Sku.Title, row.Sku.Image, row.Sku.Attrs), row.Sale.ListPrice, TermsOf(row.Sale),
                    row.Sale.TokenRequired, row.Sale.Units));
            }
            catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException)
            {
                // A row that the database accepts and we cannot read stops its own sale and no other.
                unreadable[row.Sku.Id] = exception.Message;
            }
        }

        await offers.RecordAsync(context, rows.Select(row => row.Sku).Join(
            sales, sku => sku.Id, sale => sale.SkuId, (sku, sale) => (sku, sale.Offer)), cancellationToken);
        Report(unreadable);
        Volatile.Write(ref _forgotten, over);
        Volatile.Write(ref _sales, sales.ToFrozenDictionary(sale => sale.SkuId));
        Refreshed?.Invoke();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await RefreshAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                LogFailed(exception.Message);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(options.Value.RefreshEveryMs), time, stoppingToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The column holds JSON; text that is none is shown as it is, rather than hiding the sale.</summary>
    private static JsonElement AttrsOf(ProductSku sku)
    {
        try
        {
            using var attrs = JsonDocument.Parse(sku.Attrs);
            return attrs.RootElement.Clone();
        }
        catch (JsonException)
        {
            return JsonSerializer.SerializeToElement(sku.Attrs, ApiJson.Web.String);
        }
    }

    internal static SaleTerms TermsOf(SeckillSale sale) => new(
        new DateTimeOffset(sale.StartsAt, TimeSpan.Zero), new DateTimeOffset(sale.EndsAt, TimeSpan.Zero), sale.LimitPerUser, sale.Paused);

    /// <summary>Says it once, and not at each reading.</summary>
    private void Report(Dictionary<long, string> unreadable)
    {
        foreach (var (skuId, reason) in unreadable.Where(sale => !Unreadable.ContainsKey(sale.Key)))
        {
            LogUnreadable(skuId, reason);
        }

        Unreadable = unreadable;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The sale of SKU {SkuId} cannot be read and is not sold: {Reason}")]
    private partial void LogUnreadable(long skuId, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The sales were not read from MySQL: {Reason}; serving the last copy")]
    private partial void LogFailed(string reason);
}
