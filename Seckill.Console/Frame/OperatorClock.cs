using System.Globalization;

namespace Seckill.Console.Frame;

/// <summary>Times as the operator's own wall clock has them; one for each circuit, set once the browser has said where it is.</summary>
public sealed class OperatorClock(TimeProvider time)
{
    private TimeZoneInfo _zone = TimeZoneInfo.Utc;

    /// <summary>For headings: whose times these are.</summary>
    public string ZoneName => _zone.Id;

    public DateTimeOffset Now => TimeZoneInfo.ConvertTime(time.GetUtcNow(), _zone);

    /// <param name="zone">An IANA name; UTC stays where this machine does not know it.</param>
    public void Use(string? zone) => _zone = zone is not null && TimeZoneInfo.TryFindSystemTimeZoneById(zone, out var found) ? found : TimeZoneInfo.Utc;

    /// <summary>Date and time to the second.</summary>
    public string Text(long? atMs) => Format(atMs, "yyyy-MM-dd HH:mm:ss");

    /// <summary>Time of day to the millisecond, for what happens within one order.</summary>
    public string Precise(long? atMs) => Format(atMs, "HH:mm:ss.fff");

    /// <summary>The moment a date and time picked by the operator stand for.</summary>
    public long ToMs(DateTime local) =>
        new DateTimeOffset(DateTime.SpecifyKind(local, DateTimeKind.Unspecified), _zone.GetUtcOffset(local)).ToUnixTimeMilliseconds();

    public DateTime ToLocal(long atMs) => TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeMilliseconds(atMs), _zone).DateTime;

    private string Format(long? atMs, string format) => atMs is { } moment ? ToLocal(moment).ToString(format, CultureInfo.InvariantCulture) : "–";
}
