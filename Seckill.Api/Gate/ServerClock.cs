namespace Seckill.Api.Gate;

/// <summary>
/// A server's clock from its last reply, advanced by this process's own clock. The reply took some time to arrive, so this never runs ahead
/// of the server, unless the server's clock is set back. For one thread.
/// </summary>
internal sealed class ServerClock(TimeProvider time)
{
    private long _toldMs;
    private long _toldAt;

    /// <summary>Ms since 1970 UTC; null before the first reply.</summary>
    public long? NowMs => _toldMs == 0 ? null : _toldMs + (long)time.GetElapsedTime(_toldAt).TotalMilliseconds;

    /// <summary>Records the time from a reply.</summary>
    public void Learn(long nowMs) => (_toldMs, _toldAt) = (nowMs, time.GetTimestamp());

    /// <summary>Another server may answer next.</summary>
    public void Forget() => _toldMs = 0;
}
