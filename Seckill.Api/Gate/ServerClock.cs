namespace Seckill.Api.Gate;

/// <summary>
/// A server's clock as its last reply told it, carried on by this process's own. The reply was under way for a while, so what this says is
/// never ahead of the server, as long as nobody sets its clock back. For one thread.
/// </summary>
internal sealed class ServerClock(TimeProvider time)
{
    private long _toldMs;
    private long _toldAt;

    /// <summary>Ms since 1970 UTC; null when no reply has told it yet.</summary>
    public long? NowMs => _toldMs == 0 ? null : _toldMs + (long)time.GetElapsedTime(_toldAt).TotalMilliseconds;

    /// <summary>Notes the time that a reply has just told.</summary>
    public void Learn(long nowMs) => (_toldMs, _toldAt) = (nowMs, time.GetTimestamp());

    /// <summary>Another server may answer next.</summary>
    public void Forget() => _toldMs = 0;
}
