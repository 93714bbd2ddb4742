using System.Net;
using Microsoft.Extensions.Options;

namespace Seckill.ServiceDefaults.Tracing;

/// <summary>Callers whose traces are continued, see <see cref="TracingOptions.KnownCallers"/>.</summary>
internal sealed class KnownCallers(IOptions<TracingOptions> options)
{
    private readonly IPNetwork[] _networks = [.. options.Value.KnownCallers.Select(NetworkOf)];

    public bool Include(IPAddress? address)
    {
        if (address is null || _networks.Length == 0)
        {
            return false;
        }

        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return _networks.Any(network => network.Contains(plain));
    }

    private static IPNetwork NetworkOf(string text)
    {
        if (IPNetwork.TryParse(text, out var network))
        {
            return network;
        }

        var address = IPAddress.Parse(text);
        return new IPNetwork(address, address.GetAddressBytes().Length * 8);
    }
}
