using System.Buffers.Text;
using System.Text;

namespace Seckill.Bench.Load;

/// <summary>Finds the end of an HTTP/1.1 reply in what has arrived so far; knows both framings, length and chunks.</summary>
public static class HttpReply
{
    private const int ChunkBytesMax = 1 << 20;

    private static ReadOnlySpan<byte> EndOfHead => "\r\n\r\n"u8;

    private static ReadOnlySpan<byte> EndOfLine => "\r\n"u8;

    /// <summary>True when a whole reply is there.</summary>
    /// <exception cref="InvalidDataException">This is not an HTTP/1.1 reply with a length or chunks.</exception>
    public static bool TryRead(ReadOnlySpan<byte> received, out int status, out int length)
    {
        (status, length) = (0, 0);
        var head = received.IndexOf(EndOfHead);
        if (head < 0)
        {
            return false;
        }

        if (!received.StartsWith("HTTP/1.1 "u8) || !Utf8Parser.TryParse(received[9..], out status, out var digits) || digits != 3)
        {
            throw new InvalidDataException("not an HTTP/1.1 reply");
        }

        var bodyAt = head + EndOfHead.Length;
        var (contentLength, isChunked) = Framing(received[..head]);
        if (isChunked)
        {
            return TryReadChunks(received, bodyAt, out length);
        }

        length = bodyAt + (contentLength ?? throw new InvalidDataException("a reply with neither length nor chunks"));
        return received.Length >= length;
    }

    private static (int? ContentLength, bool IsChunked) Framing(ReadOnlySpan<byte> head)
    {
        int? contentLength = null;
        var isChunked = false;
        foreach (var range in head.Split(EndOfLine))
        {
            var line = head[range];
            var colon = line.IndexOf((byte)':');
            if (colon < 0)
            {
                continue;
            }

            var name = line[..colon];
            var value = line[(colon + 1)..].Trim((byte)' ');
            if (Ascii.EqualsIgnoreCase(name, "content-length"u8) && Utf8Parser.TryParse(value, out int number, out _))
            {
                contentLength = number;
            }
            else if (Ascii.EqualsIgnoreCase(name, "transfer-encoding"u8))
            {
                isChunked = Ascii.EqualsIgnoreCase(value, "chunked"u8);
            }
        }

        return (contentLength, isChunked);
    }

    private static bool TryReadChunks(ReadOnlySpan<byte> received, int at, out int length)
    {
        length = 0;
        while (true)
        {
            var line = received[at..].IndexOf(EndOfLine);
            if (line < 0)
            {
                return false;
            }

            if (!Utf8Parser.TryParse(received.Slice(at, line), out int size, out _, 'x') || size is < 0 or > ChunkBytesMax)
            {
                throw new InvalidDataException("a chunk without a sensible size");
            }

            at += line + EndOfLine.Length + size + EndOfLine.Length;
            if (at > received.Length)
            {
                return false;
            }

            if (size == 0)
            {
                length = at;
                return true;
            }
        }
    }
}
