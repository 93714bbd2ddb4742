using System.Globalization;

namespace Seckill.Api.Sales;

/// <summary>Rules for operators' requests. Each check returns what is wrong, or null.</summary>
internal static class SaleRules
{
    /// <summary>Maximum number of units in one request.</summary>
    public const int UnitsMax = 1_000_000;

    /// <summary>Maximum number of units of one SKU over all requests.</summary>
    public const int UnitsInAllMax = 1_000_000_000;

    /// <summary>The largest integer that browsers represent exactly; clicks send the SKU as a number.</summary>
    public const long SkuIdMax = 9_007_199_254_740_991;

    private const int TitleLengthMax = 100;
    private const int DescriptionLengthMax = 2_000;
    private const int ImageLengthMax = 500;
    private const int LimitMax = 99;
    private const decimal PriceMin = 0.01m;
    private const decimal PriceMax = 9_999_999.99m;

    /// <summary>
    /// The year 2100, ms since 1970 UTC: Redis forgets a sale some days after its end, and a later time is surely a mistake.
    /// </summary>
    private const long TimeMaxMs = 4_102_444_800_000;

    /// <summary>
    /// How far in the past an end may be set: "now" by a slow clock. Further back, Redis would forget orders that are in transit.
    /// </summary>
    private const long EndedForMsMax = 600_000;

    public static string? Validate(CreateSaleRequest request, long nowMs) =>
        ValidatePresence(request)
        ?? (request.SkuId is < 1 or > SkuIdMax ? Text($"sku_id must be 1 to {SkuIdMax}") : null)
        ?? ValidateTitle(request.Title!)
        ?? ValidateText("description", request.Description ?? "", DescriptionLengthMax)
        ?? ValidateImage(request.Image)
        ?? ValidatePrices(request.Price!.Value, request.ListPrice ?? 0)
        ?? ValidateLimit(request.LimitPerUser!.Value)
        ?? ValidateWindow(request.StartsAtMs!.Value, request.EndsAtMs!.Value)
        ?? ValidateEnd(request.EndsAtMs.Value, nowMs)
        ?? ValidateUnits("units", request.Units!.Value);

    /// <summary>Checks the new values by themselves; the combination with the old ones is checked when those are read.</summary>
    public static string? Validate(EditSaleRequest request, long nowMs) =>
        request is { Title: null, Price: null, ListPrice: null, LimitPerUser: null, StartsAtMs: null, EndsAtMs: null } ? "nothing to change"
        : (request.Title is { } title ? ValidateTitle(title) : null)
        ?? ValidatePrices(request.Price ?? PriceMin, request.ListPrice ?? 0)
        ?? (request.LimitPerUser is { } limit ? ValidateLimit(limit) : null)
        ?? (request.StartsAtMs is { } starts ? ValidateTime("starts_at_ms", starts) : null)
        ?? (request.EndsAtMs is { } ends ? ValidateTime("ends_at_ms", ends) ?? ValidateEnd(ends, nowMs) : null);

    public static string? Validate(AddStockRequest request) =>
        request.Add is not { } add ? "add is required"
        : request.UnitsBefore is not { } before ? "units_before is required"
        : before < 0 ? "units_before must not be negative"
        : ValidateUnits("add", add);

    public static string? ValidateWindow(long startsAtMs, long endsAtMs) =>
        ValidateTime("starts_at_ms", startsAtMs)
        ?? ValidateTime("ends_at_ms", endsAtMs)
        ?? (endsAtMs <= startsAtMs ? "ends_at_ms must be after starts_at_ms" : null);

    private static string? ValidatePresence(CreateSaleRequest request) =>
        request.Title is null ? "title is required"
        : request.Price is null ? "price is required"
        : request.LimitPerUser is null ? "limit_per_user is required"
        : request.StartsAtMs is null ? "starts_at_ms is required"
        : request.EndsAtMs is null ? "ends_at_ms is required"
        : request.Units is null ? "units is required"
        : null;

    private static string? ValidateTitle(string title) =>
        string.IsNullOrWhiteSpace(title)
            ? Text($"title must be 1 to {TitleLengthMax} characters")
            : ValidateText("title", title, TitleLengthMax);

    private static string? ValidateText(string name, string text, int lengthMax) =>
        text.Length > lengthMax ? Text($"{name} must be {(name == "title" ? "1" : "0")} to {lengthMax} characters")
        : text.Any(char.IsControl) ? $"{name} must be one line of text"
        : null;

    /// <summary>Other schemes do not belong on a buyer's page.</summary>
    private static string? ValidateImage(string? image) =>
        image is null ? null
        : image.Length <= ImageLengthMax && !image.Any(c => char.IsControl(c) || char.IsWhiteSpace(c))
            // Browsers treat a backslash as a slash, so "/\" leads to another site just as "//" does.
            && ((image.StartsWith('/') && !image.StartsWith("//", StringComparison.Ordinal) && !image.Contains('\\'))
                || (Uri.TryCreate(image, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"))
            ? null
        : Text($"image must be a path that begins with / or an http(s) address, {ImageLengthMax} characters at most");

    private static string? ValidatePrices(decimal price, decimal listPrice) =>
        price is < PriceMin or > PriceMax || !IsInCents(price) ? Text($"price must be {PriceMin} to {PriceMax}, with two decimals at most")
        : listPrice is < 0 or > PriceMax || !IsInCents(listPrice) ? Text($"list_price must be 0 to {PriceMax}, with two decimals at most")
        : null;

    private static bool IsInCents(decimal amount) => decimal.Round(amount, 2) == amount;

    private static string? ValidateLimit(int limit) => limit is < 1 or > LimitMax ? Text($"limit_per_user must be 1 to {LimitMax}") : null;

    private static string? ValidateUnits(string name, int units) =>
        units is < 1 or > UnitsMax ? Text($"{name} must be 1 to {UnitsMax}") : null;

    private static string? ValidateTime(string name, long milliseconds) =>
        milliseconds is < 0 or > TimeMaxMs ? Text($"{name} must be 0 to {TimeMaxMs}") : null;

    private static string? ValidateEnd(long endsAtMs, long nowMs) =>
        endsAtMs < nowMs - EndedForMsMax ? "ends_at_ms must not be in the past" : null;

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
