using System.Globalization;

namespace Seckill.Console.Frame;

/// <summary>Number formats of all pages: grouped by thousands, a dash for an unknown value.</summary>
internal static class Figures
{
    public static string Whole(double? value) => value?.ToString("N0", CultureInfo.InvariantCulture) ?? "–";

    public static string Whole(long? value) => value?.ToString("N0", CultureInfo.InvariantCulture) ?? "–";

    /// <summary>A number of things, whose name is given in the singular: "1 letter", "1,200 letters".</summary>
    public static string Count(long count, string name) => count == 1 ? $"1 {name}" : $"{Whole(count)} {name}s";

    public static string Money(decimal? value) => value is { } amount ? "¥" + amount.ToString("N2", CultureInfo.InvariantCulture) : "–";
}
