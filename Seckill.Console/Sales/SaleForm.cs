using Seckill.Console.Frame;
using Seckill.Console.Ops;

namespace Seckill.Console.Sales;

/// <summary>The fields of the sale dialog. The Api validates the values; only malformed numbers and times are rejected here.</summary>
internal sealed class SaleForm
{
    private const long NewSaleStartsInMs = 600_000;
    private const long NewSaleLastsMs = 3_600_000;
    private const long MinuteMs = 60_000;

    public long? SkuId { get; set; }

    public string Title { get; set; } = "";

    public string Description { get; set; } = "";

    public string Image { get; set; } = "";

    public decimal? Price { get; set; } = 99m;

    public decimal? ListPrice { get; set; }

    public int? LimitPerUser { get; set; } = 1;

    public int? Units { get; set; } = 100;

    public string Starts { get; set; } = "";

    public string Ends { get; set; } = "";

    /// <summary>A new sale in ten minutes, for an hour.</summary>
    public static SaleForm New(OperatorClock clock)
    {
        var startsMs = (clock.Now.ToUnixTimeMilliseconds() + NewSaleStartsInMs) / MinuteMs * MinuteMs;
        return new SaleForm { Starts = clock.FieldText(startsMs), Ends = clock.FieldText(startsMs + NewSaleLastsMs) };
    }

    public static SaleForm Of(OperatorSale sale, OperatorClock clock) => new()
    {
        SkuId = sale.SkuId,
        Title = sale.Title,
        Price = sale.Price,
        ListPrice = sale.ListPrice,
        LimitPerUser = sale.LimitPerUser,
        Starts = clock.FieldText(sale.StartsAtMs),
        Ends = clock.FieldText(sale.EndsAtMs),
    };

    /// <summary>Null and the reason if a field is wrong.</summary>
    public NewSale? ToNewSale(OperatorClock clock, out string? wrong)
    {
        wrong = Wrong(clock, out var startsMs, out var endsMs) ?? (Units is null ? "How many units?" : null);
        return wrong is not null ? null : new NewSale(
            SkuId, Title.Trim(), Price!.Value, ListPrice, LimitPerUser!.Value, startsMs, endsMs, Units!.Value, TextOrNull(Description),
            TextOrNull(Image));
    }

    /// <summary>
    /// Only the changed fields, so that operators do not undo each other's changes; null and a reason if a field is wrong.
    /// </summary>
    public SaleChange? ToChange(OperatorSale was, OperatorClock clock, out string? wrong)
    {
        wrong = Wrong(clock, out var startsMs, out var endsMs);
        return wrong is not null ? null : new SaleChange(
            Title.Trim() is var title && title != was.Title ? title : null,
            Price != was.Price ? Price : null,
            ListPrice is not null && ListPrice != was.ListPrice ? ListPrice : null,
            LimitPerUser != was.LimitPerUser ? LimitPerUser : null,
            // The fields have no milliseconds: a field that still reads the same was not touched.
            Starts != clock.FieldText(was.StartsAtMs) ? startsMs : null,
            Ends != clock.FieldText(was.EndsAtMs) ? endsMs : null);
    }

    private string? Wrong(OperatorClock clock, out long startsMs, out long endsMs)
    {
        endsMs = 0;
        return !clock.TryRead(Starts, out startsMs) ? "When does it start?"
            : !clock.TryRead(Ends, out endsMs) ? "When does it end?"
            : Price is null ? "What does it cost?"
            : LimitPerUser is null ? "How many may one buyer have?"
            : null;
    }

    private static string? TextOrNull(string text) => text.Trim() is { Length: > 0 } trimmed ? trimmed : null;
}
