using System.Security.Cryptography;
using System.Text;

namespace Seckill.OrderWorker.Consuming;

/// <summary>A message that ended a session while it was the only one in it.</summary>
/// <param name="Fingerprint">Hash of its id and body; its tag differs in each session.</param>
/// <param name="EndCount">Sessions in a row that it ended.</param>
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
