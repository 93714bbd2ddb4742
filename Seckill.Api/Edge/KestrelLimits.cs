using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Seckill.Api.Edge;

/// <summary>Limits on one client's requests: an order is about a hundred bytes, so anything far larger is an attack or a mistake.</summary>
internal static class KestrelLimits
{
    private const int BodyBytesMax = 16 * 1024;
    private const int HeaderBytesMax = 16 * 1024;
    private const int HeadersMax = 64;
    private const int RequestLineBytesMax = 4 * 1024;
    private const int HeadersTimeoutSeconds = 10;
    private const int KeepAliveSeconds = 75;

    public static void Apply(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = BodyBytesMax;
        kestrel.Limits.MaxRequestHeadersTotalSize = HeaderBytesMax;
        kestrel.Limits.MaxRequestHeaderCount = HeadersMax;
        kestrel.Limits.MaxRequestLineSize = RequestLineBytesMax;
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(HeadersTimeoutSeconds);
        kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(KeepAliveSeconds);
    }
}
