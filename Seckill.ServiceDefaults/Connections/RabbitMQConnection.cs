using System.Globalization;
using System.Text.RegularExpressions;
using RabbitMQ.Client;

namespace Seckill.ServiceDefaults.Connections;

/// <summary>
/// The connection string of RabbitMQ: an AMQP URI whose host may be a list, separated by commas or semicolons, or a list of such URIs. The
/// client itself reads only one host, and silently mistakes a password that contains a / or # for a host.
/// </summary>
internal sealed partial class RabbitMQConnection
{
    private const string Form = "amqp://user:password@host1:5672,host2:5672/vhost (amqps for TLS); "
        + "in user, password and vhost @ : / ? # % are written as %40 %3A %2F %3F %23 %25";

    private static readonly string[] Schemes = ["amqp", "amqps"];

    private readonly IReadOnlyList<(string Name, int Port)> _hosts;
    private int _next = -1;

    private RabbitMQConnection(string firstUri, IReadOnlyList<(string Name, int Port)> hosts) => (FirstUri, _hosts) = (firstUri, hosts);

    /// <summary>The URI of the first host alone, as the client reads it.</summary>
    public string FirstUri { get; }

    /// <exception cref="ConnectionStringException">It cannot be used.</exception>
    public static RabbitMQConnection Parse(string name, string? connectionString)
    {
        if (string.IsNullOrWhiteSpace(connectionString))
        {
            throw new ConnectionStringException(name, "is missing or empty", Form);
        }

        var uris = BetweenUris().Split(connectionString.Trim()).Select(uri => PartsOf(name, uri)).ToArray();
        var first = uris[0];
        if (uris.Any(uri => (uri.Scheme, uri.User, uri.Path) != (first.Scheme, first.User, first.Path)))
        {
            throw new ConnectionStringException(name, "has URIs that differ in more than their hosts", Form);
        }

        string[] hosts = [.. uris.SelectMany(uri => uri.Hosts)];
        var endpoints = hosts.Select((host, i) => HostOf(first.Scheme, host)
            ?? throw new ConnectionStringException(name, $"has a host that cannot be read (number {i + 1})", Form)).ToArray();
        return new RabbitMQConnection($"{first.Scheme}://{first.User}{hosts[0]}{first.Path}", endpoints);
    }

    /// <summary>
    /// Lets a factory connect to any of the hosts. Each connection starts with a different one, so that a host that accepts connections and
    /// stays silent does not catch every attempt.
    /// </summary>
    public void Apply(ConnectionFactory factory)
    {
        if (_hosts.Count > 1)
        {
            factory.EndpointResolverFactory = _ => new HostsInTurn(EndpointsFor(factory));
        }
    }

    private AmqpTcpEndpoint[] EndpointsFor(ConnectionFactory factory)
    {
        var first = (int)((uint)Interlocked.Increment(ref _next) % (uint)_hosts.Count);
        return [.. _hosts.Skip(first).Concat(_hosts.Take(first))
            .Select(host => new AmqpTcpEndpoint(host.Name, host.Port, SslFor(factory.Ssl, host.Name), factory.MaxInboundMessageBodySize))];
    }

    private static (string Scheme, string User, string[] Hosts, string Path) PartsOf(string name, string uri)
    {
        var scheme = Array.Find(Schemes, scheme => uri.StartsWith(scheme + "://", StringComparison.OrdinalIgnoreCase))
            ?? throw new ConnectionStringException(name, "is not an AMQP URI", Form);
        var rest = uri[(scheme.Length + "://".Length)..];
        var authority = rest[..(rest.IndexOfAny(['/', '?', '#']) is var end and >= 0 ? end : rest.Length)];
        var path = rest[authority.Length..];
        var at = authority.IndexOf('@', StringComparison.Ordinal);
        var user = authority[..(at + 1)];

        // An @ behind the authority, or a second one in it, means that a password was not encoded.
        if (rest.LastIndexOf('@') != at || rest.Contains('#', StringComparison.Ordinal) || HasLonePercent(rest)
            || user.AsSpan().Count(':') > 1 || path.AsSpan().Count('/') > 1)
        {
            throw new ConnectionStringException(name, "has a character that must be percent-encoded", Form);
        }

        string[] hosts =
            authority[user.Length..].Split([',', ';'], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return hosts.Length > 0 ? (scheme, user, hosts, path) : throw new ConnectionStringException(name, "names no host", Form);
    }

    /// <summary>The same TLS settings for each host, whose certificate has the host's own name.</summary>
    private static SslOption SslFor(SslOption given, string host) => !given.Enabled ? given : new SslOption(host, given.CertPath, true)
    {
        AcceptablePolicyErrors = given.AcceptablePolicyErrors,
        CertificateSelectionCallback = given.CertificateSelectionCallback,
        CertificateValidationCallback = given.CertificateValidationCallback,
        CertPassphrase = given.CertPassphrase,
        Certs = given.Certs,
        CheckCertificateRevocation = given.CheckCertificateRevocation,
        ClientCertificateContext = given.ClientCertificateContext,
        Version = given.Version,
    };

    private static (string Name, int Port)? HostOf(string scheme, string host)
    {
        // TLS has a different default port.
        var port = host.LastIndexOf(':') is var colon and >= 0 && !host.EndsWith(']') ? host[(colon + 1)..] : null;
        var name = port is null ? host : host[..^(port.Length + 1)];
        if (port is not null
            && !(int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= 65_535))
        {
            return null;
        }

        return Uri.CheckHostName(name) != UriHostNameType.Unknown && Uri.TryCreate($"{scheme}://{host}", UriKind.Absolute, out var uri)
            ? (uri.Host, uri.Port > 0 ? uri.Port : AmqpTcpEndpoint.UseDefaultPort)
            : null;
    }

    private static bool HasLonePercent(string text)
    {
        for (var i = text.IndexOf('%', StringComparison.Ordinal); i >= 0; i = text.IndexOf('%', i + 1))
        {
            if (i + 2 >= text.Length || !char.IsAsciiHexDigit(text[i + 1]) || !char.IsAsciiHexDigit(text[i + 2]))
            {
                return true;
            }
        }

        return false;
    }

    [GeneratedRegex(@"\s*[,;]\s*(?=amqps?://)", RegexOptions.IgnoreCase)]
    private static partial Regex BetweenUris();

    /// <summary>Keeps this order; the client's own resolver shuffles.</summary>
    private sealed class HostsInTurn(IEnumerable<AmqpTcpEndpoint> hosts) : IEndpointResolver
    {
        public IEnumerable<AmqpTcpEndpoint> All() => hosts;
    }
}
