namespace Seckill.OrderWorker.Consuming;

/// <summary>
/// Plans each session from the end of the last one. Normally the plan is always the same. If a session ended without a single ack although
/// broker, network, MySQL and Redis were fine, messages are taken one at a time for a while. The message that ended the session is then
/// alone in it, and is condemned after a few more sessions. After a session with too many bytes, the prefetch is lowered to fit.
/// </summary>
/// <param name="prefetchCountMax">The usual prefetch.</param>
/// <param name="heldBytesMax">Most bytes of unacked bodies.</param>
internal sealed class SessionPace(ushort prefetchCountMax, long heldBytesMax)
{
    /// <summary>Sessions that one message may end while it is alone in them.</summary>
    public const int EndCountMax = 3;

    private const int CarefulMs = 5_000;
    private const int CarefulMsMax = 60_000;

    private int _carefulMs = CarefulMs;
    private Suspect? _suspect;

    public SessionPlan Next { get; private set; } = new(prefetchCountMax, heldBytesMax, null, null);

    /// <param name="end">Why the session ended.</param>
    /// <param name="hasAcked">Whether at least one message was acked.</param>
    /// <param name="isOutage">Whether MySQL or Redis was unavailable.</param>
    /// <param name="heldCount">Unacked messages at the end.</param>
    /// <param name="fingerprint">Fingerprint of the newest message; null unless messages were delivered one at a time.</param>
    /// <param name="largestBodyBytes">Bytes of the largest body received.</param>
    public void SessionEnded(SessionEnd end, bool hasAcked, bool isOutage, int heldCount, string? fingerprint, long largestBodyBytes)
    {
        if (end.Kind == SessionEndKind.TooManyBytes)
        {
            var room = (ushort)Math.Clamp(heldBytesMax / Math.Max(1, largestBodyBytes), 1, prefetchCountMax);
            Next = new SessionPlan(room, heldBytesMax, _carefulMs, Condemned());
            return;
        }

        if (hasAcked)
        {
            // The reason for the plan no longer applies.
            _carefulMs = end.Kind == SessionEndKind.TimeUp ? _carefulMs : CarefulMs;
            _suspect = null;
            Next = new SessionPlan(prefetchCountMax, heldBytesMax, null, null);
            return;
        }

        if (isOutage || heldCount == 0 || end.Kind is SessionEndKind.Lost or SessionEndKind.Unreadable or SessionEndKind.TimeUp)
        {
            Next = new SessionPlan(prefetchCountMax, heldBytesMax, null, Condemned());
            return;
        }

        if (fingerprint is not null)
        {
            _suspect = new Suspect(fingerprint, _suspect?.Fingerprint == fingerprint ? _suspect.EndCount + 1 : 1, end.Reason);
        }

        Next = new SessionPlan(1, heldBytesMax, _carefulMs, Condemned());
        _carefulMs = Math.Min(_carefulMs * 2, CarefulMsMax);
    }

    private Suspect? Condemned() => _suspect is { EndCount: >= EndCountMax } ? _suspect : null;
}
