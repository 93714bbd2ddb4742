namespace Seckill.OrderWorker.Consuming;

/// <summary>
/// Plans each session from how the last one ended. In the normal case it is always the same. After one that ended without a single ack,
/// though nothing was wrong with broker, network, MySQL or Redis, messages come one at a time for a while: the one that it ended over then
/// stands alone, and is condemned when it ends a few more. After one whose bodies were too many bytes, as many come as there is room for.
/// </summary>
/// <param name="prefetchCountMax">The usual prefetch.</param>
/// <param name="heldBytesMax">Bytes of bodies at hand at most.</param>
internal sealed class SessionPace(ushort prefetchCountMax, long heldBytesMax)
{
    /// <summary>Sessions that a message may end while it stands alone.</summary>
    public const int EndCountMax = 3;

    private const int CarefulMs = 5_000;
    private const int CarefulMsMax = 60_000;

    private int _carefulMs = CarefulMs;
    private Suspect? _suspect;

    public SessionPlan Next { get; private set; } = new(prefetchCountMax, heldBytesMax, null, null);

    /// <param name="end">Why it ended.</param>
    /// <param name="hasAcked">Whether anything got through to its ack.</param>
    /// <param name="isOutage">Whether MySQL or Redis was away.</param>
    /// <param name="heldCount">Messages at hand when it ended.</param>
    /// <param name="fingerprint">Of the newest of them; null unless they came one at a time.</param>
    /// <param name="largestBodyBytes">The largest body that came.</param>
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
            // The reason for the plan is behind us.
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
