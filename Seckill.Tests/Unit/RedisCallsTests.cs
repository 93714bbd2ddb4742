using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Unit;

/// <summary>Whatever the client throws for a lost connection, callers see one of Redis's own exceptions.</summary>
[Trait("Category", "Quick")]
public sealed class RedisCallsTests
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>Met when a silent connection is given up with calls in flight.</summary>
    private static Exception[] Bare =>
    [
        new InvalidOperationException("Reading is not allowed after reader was completed."), new IOException("broken pipe"),
        new ObjectDisposedException("stream"), new TaskCanceledException(),
    ];

    [Fact]
    public async Task An_exception_of_the_stream_becomes_a_lost_connection()
    {
        foreach (var bare in Bare)
        {
            var call = Task.FromException<int>(bare);
            foreach (var wait in (Task[])[call.ReplyAsync(Cancelled), call.ReplyAsync(Long, Cancelled), ((Task)call).ReplyAsync(Cancelled)])
            {
                var lost = await Assert.ThrowsAsync<RedisConnectionException>(() => wait);
                Assert.Same(bare, lost.InnerException);
                Assert.Contains(bare.Message, lost.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task So_does_a_call_that_the_client_has_cancelled()
    {
        var call = Task.FromCanceled<int>(new CancellationToken(canceled: true));

        await Assert.ThrowsAsync<RedisConnectionException>(() => call.ReplyAsync(Cancelled));
        await Assert.ThrowsAsync<RedisConnectionException>(() => call.ReplyAsync(Long, Cancelled));
        await Assert.ThrowsAsync<RedisConnectionException>(() => ((Task)call).ReplyAsync(Cancelled));
    }

    [Fact]
    public async Task The_clients_own_exceptions_stay_what_they_are()
    {
        Exception[] own =
        [
            new RedisServerException("OOM"), new RedisConnectionException(ConnectionFailureType.UnableToConnect, "no connection"),
            new RedisTimeoutException("late", CommandStatus.Sent), new UnreadableKeysException(1, new FormatException()),
        ];
        foreach (var exception in own)
        {
            Assert.Same(exception, await Record.ExceptionAsync(() => Task.FromException<int>(exception).ReplyAsync(Cancelled)));
        }
    }

    [Fact]
    public async Task A_caller_who_gives_up_is_told_so()
    {
        var call = new TaskCompletionSource<int>().Task;
        using var enough = new CancellationTokenSource();
        var waits = (Task[])[call.ReplyAsync(enough.Token), call.ReplyAsync(Long, enough.Token), ((Task)call).ReplyAsync(enough.Token)];

        await enough.CancelAsync();

        foreach (var wait in waits)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
        }
    }

    [Fact]
    public async Task A_reply_within_the_limit_is_returned_and_a_late_one_is_not_awaited()
    {
        Assert.Equal(7, await Task.FromResult(7).ReplyAsync(Cancelled));
        Assert.Equal(7, await Task.FromResult(7).ReplyAsync(Long, Cancelled));
        await Assert.ThrowsAsync<TimeoutException>(
            () => new TaskCompletionSource<int>().Task.ReplyAsync(TimeSpan.FromMilliseconds(1), Cancelled));
    }
}
