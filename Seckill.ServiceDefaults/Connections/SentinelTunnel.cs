using System.Net;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;
using StackExchange.Redis.Configuration;

namespace Seckill.ServiceDefaults.Connections;

/// <summary>
/// Connects each new connection to the current master according to the Sentinels. The client's own implementation throws when no Sentinel
/// answers at the start. The client sees one server under the service's name, which is unreachable until a Sentinel answers; when the
/// master dies or is demoted (Sentinel then closes its connections), the client reconnects and reaches the new one.
/// </summary>
internal sealed partial class SentinelTunnel(ILogger<SentinelTunnel> logger) : Tunnel, IAsyncDisposable
{
    /// <summary>Maximum wait for the Sentinels at each attempt, ms.</summary>
    private const int AskTimeoutMs = 1_000;
    private const int SentinelPort = 26_379;
    private const string Nobody = "";

    /// <summary>An address that refuses at once.</summary>
    private static readonly EndPoint Nowhere = new IPEndPoint(IPAddress.Loopback, 0);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private ConfigurationOptions? _sentinels;
    private string _service = Nobody;
    private ConnectionMultiplexer? _connection;
    private string? _master;

    /// <summary>Takes over if the options name a service: their endpoints are Sentinels, which have the same password and TLS.</summary>
    public void Lead(ConfigurationOptions redis)
    {
        if (string.IsNullOrEmpty(redis.ServiceName))
        {
            return;
        }

        _service = redis.ServiceName;
        _sentinels = redis.Clone();
        _sentinels.ServiceName = null;
        _sentinels.CommandMap = CommandMap.Sentinel;
        _sentinels.ConnectTimeout = AskTimeoutMs;
        for (var i = 0; i < _sentinels.EndPoints.Count; i++)
        {
            _sentinels.EndPoints[i] = _sentinels.EndPoints[i] switch
            {
                DnsEndPoint { Port: 0 } name => new DnsEndPoint(name.Host, SentinelPort),
                IPEndPoint { Port: 0 } address => new IPEndPoint(address.Address, SentinelPort),
                var complete => complete,
            };
        }

        redis.ServiceName = null;
        redis.EndPoints.Clear();
        redis.EndPoints.Add(_service, SentinelPort);
        redis.Tunnel = this;
    }

    /// <summary>Never throws: the client would not try again.</summary>
    public override async ValueTask<EndPoint?> GetSocketConnectEndpointAsync(EndPoint endpoint, CancellationToken cancellationToken)
    {
        EndPoint? master = null;
        var reason = "none answers";
        try
        {
            master = await AskAsync(cancellationToken);
        }
        catch (Exception exception)
        {
            reason = exception.Message;
        }

        // Logged once for each change, not for each attempt.
        var now = master?.ToString() ?? Nobody;
        if (Interlocked.Exchange(ref _master, now) != now)
        {
            if (master is null)
            {
                LogNoSentinel(_service, reason);
            }
            else
            {
                LogMaster(_service, now);
            }
        }

        return master ?? Nowhere;
    }

    public ValueTask DisposeAsync() => _connection?.DisposeAsync() ?? ValueTask.CompletedTask;

    /// <summary>The majority's answer: a Sentinel that was cut off may have missed a fail-over. Null without an answer.</summary>
    private async Task<EndPoint?> AskAsync(CancellationToken cancellationToken)
    {
        var connection = await ConnectAsync(cancellationToken);
        var answers = await Task.WhenAll(
            connection.GetServers().Where(server => server.IsConnected).Select(server => AskAsync(server, cancellationToken)));
        return answers.OfType<EndPoint>().GroupBy(answer => answer).MaxBy(same => same.Count())?.Key;
    }

    private async Task<EndPoint?> AskAsync(IServer sentinel, CancellationToken cancellationToken)
    {
        try
        {
            return await sentinel.SentinelGetMasterAddressByNameAsync(_service)
                .WaitAsync(TimeSpan.FromMilliseconds(AskTimeoutMs), cancellationToken);
        }
        // A call in flight on a frozen connection may fail with an exception of the client's streams. The other Sentinels still answer.
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogSentinelFailed(exception.Message);
            return null;
        }
    }

    /// <summary>Connects once; from then on the client maintains its connections to the Sentinels.</summary>
    private async Task<ConnectionMultiplexer> ConnectAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            return _connection ??= await ConnectionMultiplexer.ConnectAsync(_sentinels!);
        }
        finally
        {
            _turn.Release();
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning, Message = "No Sentinel names a master for {Service} ({Reason}); Redis is unreachable until one does")]
    private partial void LogNoSentinel(string service, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Sentinel: the master of {Service} is {Master}")]
    private partial void LogMaster(string service, string master);

    [LoggerMessage(Level = LogLevel.Debug, Message = "A Sentinel did not answer: {Reason}")]
    private partial void LogSentinelFailed(string reason);
}
