using System.ComponentModel.DataAnnotations;

namespace Seckill.Api.Push;

/// <summary>Section <c>Push</c>: buyers who wait for their outcome on an open connection.</summary>
public sealed class PushOptions
{
    public const string Section = "Push";

    /// <summary>Open listeners of one instance; further ones get 503 <c>busy</c>, and poll meanwhile.</summary>
    [Range(1, 1_000_000)]
    public int ListenersMax { get; init; } = 20_000;

    /// <summary>Open listeners of one buyer at one instance, for several tabs and devices.</summary>
    [Range(1, 1_000)]
    public int ListenersPerUserMax { get; init; } = 8;

    /// <summary>Interval of heartbeats on a quiet connection, ms; shorter than the idle time-out of proxies.</summary>
    [Range(100, 600_000)]
    public int KeepAliveMs { get; init; } = 15_000;

    /// <summary>A connection ends after this, s; the page reconnects by itself, and its login is checked again.</summary>
    [Range(1, 86_400)]
    public int ConnectionSecondsMax { get; init; } = 1_800;
}
