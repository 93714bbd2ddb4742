using System.Globalization;
using System.Net;
using System.Text;

namespace Seckill.Bench.Load;

/// <summary>
/// One HTTP address under load: where it is and what a request to it looks like, byte by byte, made before the clock starts.
/// </summary>
public sealed class HttpShop(Uri address)
{
    public const string OrderPath = "/api/seckill/orders";
    public const string BaselinePath = "/api/yardstick";

    public IPEndPoint EndPoint { get; } = new(IPAddress.Parse(address.Host), address.Port);

    /// <summary>A click on one unit of a SKU.</summary>
    public byte[] Request(string path, string token, long skuId)
    {
        var body = string.Create(CultureInfo.InvariantCulture, $$"""{"sku_id":{{skuId}},"quantity":1}""");
        return Encoding.ASCII.GetBytes(string.Create(
            CultureInfo.InvariantCulture,
            $"POST {path} HTTP/1.1\r\nHost: {EndPoint}\r\nAuthorization: Bearer {token}\r\n"
                + $"Content-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
    }
}
