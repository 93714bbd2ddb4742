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
/// The sales, read from MySQL every <c>RefreshEveryMs</c> and kept in memory: no click ever queries MySQL. While MySQL is down the last
/// copy stays in use.
/// </summary>
public sealed partial class SaleCatalogue(
    IServiceScopeFactory scopes, OfferRecorder offers, IOptions<CatalogueOptions> options, TimeProvider time,
    ILogger<SaleCatalogue> logger) : BackgroundService
{
    /// <summary>
    /// How many of the sales that Redis has forgotten are remembered here: the latest ones, by their end alone. Clicks on them are told
    /// that the sale is over.
    /// </summary>
    private const int ForgottenMax = 100_000;

    /// <summary>SKUs without a sale are remembered up to this number: there may be orders of a sale that was deleted.</summary>
    private const int WithoutSaleMax = 1_000;

    /// <summary>How a date of zeros, or another one that does not exist, is read.</summary>
    private static readonly DateTime NoDate = DateTime.MinValue;

    /// <summary>One refresh at a time: an older read that ends later would undo a newer one.</summary>
    private readonly SemaphoreSlim _turn = new(1, 1);
    private FrozenDictionary<long, SaleView>? _sales;
    private Dictionary<long, DateTimeOffset> _forgotten = [];
    private HashSet<long> _withoutSale = [];

    /// <summary>Whether the sales have been read at least once.</summary>
    public bool Loaded => Volatile.Read(ref _sales) is not null;

    public IReadOnlyCollection<SaleView> Sales => Volatile.Read(ref _sales)?.Values ?? [];

    /// <summary>
    /// Sales that Redis keeps, sorted by id. A sale past its <see cref="StockLedger.ExpiryOf"/> exists only in MySQL and is no longer
    /// loaded, swept or compared.
    /// </summary>
    public IReadOnlyList<long> KeptSkuIds
    {
        get
        {
            var now = time.GetUtcNow();
            return [.. Sales.Where(sale => StockLedger.ExpiryOf(sale.Terms) > now).Select(sale => sale.SkuId).Order()];
        }
    }

    /// <summary>The latest sales that have begun, at most <paramref name="countMax"/>: where to search for an order in transit.</summary>
    public IReadOnlyList<long> NewestSkuIds(int countMax)
    {
        var now = time.GetUtcNow();
        return [.. Sales.Where(sale => sale.Terms.StartsAt <= now).OrderByDescending(sale => sale.Terms.EndsAt > now)
            .ThenByDescending(sale => sale.Terms.StartsAt).ThenByDescending(sale => sale.SkuId).Take(countMax).Select(sale => sale.SkuId)];
    }

    /// <summary>Why a sale in MySQL cannot be sold, by SKU.</summary>
    public IReadOnlyDictionary<long, string> Unreadable { get; private set; } = new Dictionary<long, string>();

    /// <summary>Raised after each refresh.</summary>
    public event Action? Refreshed;

    public bool IsOnSale(long skuId) => Volatile.Read(ref _sales)?.ContainsKey(skuId) ?? false;

    /// <summary>The sale of a SKU; null when there is none.</summary>
    public SaleView? Find(long skuId) => Volatile.Read(ref _sales)?.GetValueOrDefault(skuId);

    /// <summary>The end of a sale that has been over for so long that it has left the catalogue; null when the SKU had none.</summary>
    public DateTimeOffset? EndOfForgotten(long skuId) => Volatile.Read(ref _forgotten).TryGetValue(skuId, out var endsAt) ? endsAt : null;

    /// <summary>
    /// Whether there may be orders of the SKU: it has a sale, readable or not, or it exists without one. Also true when there are too many
    /// to remember.
    /// </summary>
    public bool Knows(long skuId)
    {
        var withoutSale = Volatile.Read(ref _withoutSale);
        return IsOnSale(skuId) || Unreadable.ContainsKey(skuId) || EndOfForgotten(skuId) is not null || withoutSale.Contains(skuId)
            || Volatile.Read(ref _forgotten).Count >= ForgottenMax || withoutSale.Count >= WithoutSaleMax;
    }

    /// <summary>Refreshes the sales now, or after the refresh that is under way: the sales are read after this call.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            await ReadAsync(cancellationToken);
        }
        finally
        {
            _turn.Release();
        }

        Refreshed?.Invoke();
    }

    public override void Dispose()
    {
        _turn.Dispose();
        base.Dispose();
    }

    private async Task ReadAsync(CancellationToken cancellationToken)
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
            .ToListAsync(cancellationToken);
        var withoutSale = await context.ProductSkus.Where(sku => sku.Sale == null).Select(sku => sku.Id).Take(WithoutSaleMax)
            .ToListAsync(cancellationToken);
        var (sales, unreadable) = (new List<SaleView>(rows.Count), new Dictionary<long, string>());
        foreach (var row in rows)
        {
            try
            {
                sales.Add(new SaleView(
                    row.Sku.Id, row.Sku.ProductId, row.Sku.Title, row.Title, row.Sku.Image, AttrsOf(row.Sku),
                    Offer.Of(row.Sku.Price, row.Sku.Title, row.Sku.Image, row.Sku.Attrs), row.Sale.ListPrice, TermsOf(row.Sale),
                    row.Sale.TokenRequired, row.Sale.Units - row.Sale.ClosedUnits));
            }
            catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException)
            {
                // A row that the database accepts but this process cannot read stops only its own sale.
                unreadable[row.Sku.Id] = exception.Message;
            }
        }

        // Some dates that do not exist come before any other in the database's order.
        foreach (var sale in over.Where(sale => sale.EndsAt == NoDate))
        {
            unreadable[sale.SkuId] = NoDateReason("ends_at");
        }

        await offers.RecordAsync(context, rows.Select(row => row.Sku).Join(
            sales, sku => sku.Id, sale => sale.SkuId, (sku, sale) => (sku, sale.Offer)), cancellationToken);
        Report(unreadable);
        Volatile.Write(
            ref _forgotten,
            over.Where(sale => sale.EndsAt != NoDate)
                .ToDictionary(sale => sale.SkuId, sale => new DateTimeOffset(sale.EndsAt, TimeSpan.Zero)));
        Volatile.Write(ref _withoutSale, [.. withoutSale]);
        Volatile.Write(ref _sales, sales.ToFrozenDictionary(sale => sale.SkuId));
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

    /// <summary>The column should contain JSON; any other text is shown as it is rather than hiding the sale.</summary>
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

    /// <exception cref="FormatException">See <see cref="FaultOf"/>.</exception>
    internal static SaleTerms TermsOf(SeckillSale sale) => FaultOf(sale) is { } fault
        ? throw new FormatException(fault)
        : new SaleTerms(
            new DateTimeOffset(sale.StartsAt, TimeSpan.Zero), new DateTimeOffset(sale.EndsAt, TimeSpan.Zero), sale.LimitPerUser,
            sale.Paused);

    /// <summary>Why the sale has no window: the row has a date that does not exist. Null when it has one.</summary>
    internal static string? FaultOf(SeckillSale sale) =>
        sale.StartsAt == NoDate ? NoDateReason("starts_at") : sale.EndsAt == NoDate ? NoDateReason("ends_at") : null;

    private static string NoDateReason(string column) => $"{column} is not a date";

    /// <summary>Logs a failure once, not at each refresh.</summary>
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
