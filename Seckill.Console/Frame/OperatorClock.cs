using System.Globalization;

namespace Seckill.Console.Frame;

/// <summary>Times in the operator's time zone; one instance per circuit, set once the browser has reported the zone.</summary>
public sealed class OperatorClock(TimeProvider time)
{
    private TimeZoneInfo _zone = TimeZoneInfo.Utc;

    /// <summary>The zone's name, for headings.</summary>
    public string ZoneName => _zone.Id;

    public DateTimeOffset Now => TimeZoneInfo.ConvertTime(time.GetUtcNow(), _zone);

    /// <param name="zone">An IANA name; UTC remains if this machine does not know it.</param>
    public void Use(string? zone) =>
        _zone = zone is not null && TimeZoneInfo.TryFindSystemTimeZoneById(zone, out var found) ? found : TimeZoneInfo.Utc;

    /// <summary>Date and time to the second.</summary>
    public string Text(long? atMs) => Format(atMs, "yyyy-MM-dd HH:mm:ss");

    /// <summary>Time of day to the millisecond, for the steps of one order.</summary>
    public string Precise(long? atMs) => Format(atMs, "HH:mm:ss.fff");

    /// <summary>The format of a browser's datetime-local field: seconds only if not zero.</summary>
    public string FieldText(long atMs) => Format(atMs, atMs / 1_000 % 60 == 0 ? "yyyy-MM-ddTHH:mm" : "yyyy-MM-ddTHH:mm:ss");

    /// <summary>Parses a datetime-local field.</summary>
    public bool TryRead(string fieldText, out long atMs)
    {
        var read = DateTime.TryParse(fieldText, CultureInfo.InvariantCulture, DateTimeStyles.None, out var local);
        atMs = read
            ? new DateTimeOffset(DateTime.SpecifyKind(local, DateTimeKind.Unspecified), _zone.GetUtcOffset(local)).ToUnixTimeMilliseconds()
            : 0;
        return read;
    }

    private string Format(long? atMs, string format) => atMs is { } moment
        ? TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeMilliseconds(moment), _zone).ToString(format, CultureInfo.InvariantCulture)
        : "–";
}
