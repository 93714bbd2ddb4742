using System.Text;
using Seckill.Bench.Load;

namespace Seckill.Tests.Bench;

/// <summary>The load generator reads HTTP by itself: it must find the end of a reply however the bytes arrive.</summary>
[Trait("Category", "Quick")]
public sealed class HttpReplyTests
{
    private const string WithLength =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 20\r\n\r\n{\"message\":\"queued\"}";
    private const string WithChunks =
        "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\nb\r\n1,\"b\":\"22\"}\r\n0\r\n\r\n";
    private const string WithoutBody = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

    [Theory]
    [InlineData(WithLength, 200)]
    [InlineData(WithChunks, 400)]
    [InlineData(WithoutBody, 503)]
    public void A_reply_is_whole_with_its_last_byte_and_not_before(string text, int expected)
    {
        var reply = Encoding.ASCII.GetBytes(text);
        for (var arrived = 0; arrived < reply.Length; arrived++)
        {
            Assert.False(HttpReply.TryRead(reply.AsSpan(0, arrived), out _, out _), $"after {arrived} of {reply.Length} bytes");
        }

        Assert.True(HttpReply.TryRead(reply, out var status, out var length));
        Assert.Equal((expected, reply.Length), (status, length));
        Assert.True(HttpReply.TryRead([.. reply, .. "HTTP/1.1 2"u8], out _, out length));
        Assert.Equal(reply.Length, length);
    }

    [Theory]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")]
    public void A_malformed_reply_is_refused(string text) =>
        Assert.Throws<InvalidDataException>(() => HttpReply.TryRead(Encoding.ASCII.GetBytes(text), out _, out _));
}
