using System.Globalization;

namespace Seckill.Console.Frame;

/// <summary>Number formats of all pages: grouped by thousands, a dash for an unknown value.</summary>
internal static class Figures
{
    public static string Whole(double? value) => value?.ToString("N0", CultureInfo.InvariantCulture) ?? "–";

    public static string Whole(long? value) => value?.ToString("N0", CultureInfo.InvariantCulture) ?? "–";

    public static string Money(decimal? value) => value is { } amount ? "¥" + amount.ToString("N2", CultureInfo.InvariantCulture) : "–";
}
