using System.Security.Cryptography;
using System.Text;

namespace Seckill.OrderWorker.Consuming;

/// <summary>A message that a session ended over while it held nothing else.</summary>
/// <param name="Fingerprint">Of its id and body; it has another tag in each session.</param>
/// <param name="EndCount">Sessions in a row that ended so.</param>
/// <param name="Reason">How the last of them ended.</param>
internal sealed record Suspect(string Fingerprint, int EndCount, string Reason)
{
    /// <param name="body">The body.</param>
    /// <param name="messageId">Its AMQP message id, or null.</param>
    public static string FingerprintOf(ReadOnlySpan<byte> body, string? messageId)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(body);
        hash.AppendData(Encoding.UTF8.GetBytes('\0' + messageId));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
