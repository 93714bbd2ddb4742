using Seckill.Ordering.Ledger;
using Seckill.Ordering.Telemetry;
using StackExchange.Redis;

namespace Seckill.Console.Pulse;

/// <summary>
/// One subscription for all watchers: the instances' pulses go into a ring of five minutes, and once a second every watcher
/// gets the same picture. The feed never calls an instance.
/// </summary>
internal sealed partial class PulseFeed(IConnectionMultiplexer redis, TimeProvider time, ILogger<PulseFeed> logger) : BackgroundService
{
    private const int TickMs = 1_000;

    private readonly PulseRing _ring = new(time.GetUtcNow().ToUnixTimeMilliseconds());
    private volatile LivePicture _picture = LivePicture.Empty;
    private volatile bool _subscribed;

    /// <summary>Raised once a second on the feed's own thread: listeners must switch to theirs at once.</summary>
    public event Action? Ticked;

    public LivePicture Picture => _picture;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(TickMs), time);
        try
        {
            do
            {
                await SubscribeAsync();
                _picture = _ring.Draw(NowMs);
                Ticked?.Invoke();
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process ends.
        }
    }

    private long NowMs => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>The client restores the subscription by itself after a reconnection.</summary>
    private async Task SubscribeAsync()
    {
        if (_subscribed)
        {
            return;
        }

        try
        {
            await redis.GetSubscriber().SubscribeAsync(RedisChannel.Literal(InstancePulse.Channel), (_, message) => Take(message))
                .ReplyAsync(CancellationToken.None);
            _subscribed = true;
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            NotSubscribed(logger, exception.Message);
        }
    }

    private void Take(RedisValue message)
    {
        if (message.ToString() is { Length: > 0 } text && InstancePulse.TryParse(text) is { } pulse)
        {
            _ring.Take(pulse, NowMs);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot subscribe to the instances' figures yet: {Reason}")]
    private static partial void NotSubscribed(ILogger logger, string reason);
}

internal static class PulseRegistration
{
    public static IServiceCollection AddPulse(this IServiceCollection services)
    {
        services.AddSingleton<PulseFeed>();
        services.AddHostedService(provider => provider.GetRequiredService<PulseFeed>());
        return services;
    }
}
