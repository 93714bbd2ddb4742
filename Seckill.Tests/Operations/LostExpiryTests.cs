using System.Globalization;
using Seckill.Api;
using StackExchange.Redis;

namespace Seckill.Tests.Operations;

/// <summary>
/// A restore or a foreign hand has left a key without its time to live. That keeps neither a job from all instances nor a buyer from buying
/// for ever.
/// </summary>
[Collection(OperationsTests.Name)]
public sealed class LostExpiryTests(OperationsFixture servers)
{
    private const int DurationMs = 60_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <param name="isText">Whether the key is a string, like a lease.</param>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_lease_without_an_end_is_nobodys(bool isText)
    {
        var key = $"endless-lease-{isText}";
        await PutAsync(key, isText);
        var (one, other) = (NewLease(key), NewLease(key));

        Assert.True(await one.HoldAsync(Cancelled));

        Assert.InRange((await servers.Redis.KeyTimeToLiveAsync(key))!.Value.TotalMilliseconds, 1, DurationMs);
        Assert.False(await other.HoldAsync(Cancelled));
        Assert.True(await one.HoldAsync(Cancelled));
        await other.ReleaseAsync();
        Assert.True(await one.HoldAsync(Cancelled));
        await one.ReleaseAsync();
        Assert.True(await other.HoldAsync(Cancelled));
        await other.ReleaseAsync();
        Assert.False(await servers.Redis.KeyExistsAsync(key));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_key_that_expires_is_left_to_its_holder(bool isText)
    {
        var key = $"foreign-lease-{isText}";
        await PutAsync(key, isText);
        await servers.Redis.KeyExpireAsync(key, TimeSpan.FromMilliseconds(DurationMs));

        Assert.False(await NewLease(key).HoldAsync(Cancelled));

        await servers.Redis.KeyDeleteAsync(key);
    }

    /// <summary>A Redis without memory refuses SET, as for this account.</summary>
    [Fact]
    public async Task A_lease_is_renewed_without_a_command_that_needs_memory()
    {
        const string user = "no-set";
        await servers.Redis.ExecuteAsync("ACL", "SETUSER", user, "on", $">{user}", "~*", "&*", "+@all", "-set");
        var options = ConfigurationOptions.Parse(servers.Redis.Multiplexer.Configuration);
        (options.User, options.Password) = (user, user);
        await using var connection = await ConnectionMultiplexer.ConnectAsync(options);
        RedisKey key = "lease-without-memory";
        Assert.True(await Lease.TryTakeAsync(servers.Redis, key, "me", DurationMs, Cancelled));

        Assert.True(await Lease.TryTakeAsync(connection.GetDatabase(), key, "me", 2 * DurationMs, Cancelled));

        Assert.InRange((await servers.Redis.KeyTimeToLiveAsync(key))!.Value.TotalMilliseconds, DurationMs, 2 * DurationMs);
        await servers.Redis.KeyDeleteAsync(key);
    }

    [Fact]
    public async Task Sweeper_and_reconciler_take_their_jobs_back()
    {
        RedisKey[] leases = ["seckill:reconciler", "seckill:outbox:sweeper"];
        foreach (var lease in leases)
        {
            await servers.Redis.StringSetAsync(lease, "an instance of long ago");
        }

        await using var api = servers.StartApi(("Reconciliation:EveryMs", "200"), ("Publish:SweepEveryMs", "200"));

        foreach (var lease in leases)
        {
            await Deadline.UntilAsync(() => servers.Redis.KeyTimeToLiveAsync(lease), left => left is not null, Cancelled);
        }
    }

    [Fact]
    public async Task Operators_get_the_dead_letters_back()
    {
        await servers.Redis.StringSetAsync("seckill:dead-letters:desk", "a call of long ago");
        await using var api = servers.StartApi();

        Assert.Equal(200, (await api.GetAsync("/api/ops/dead-letters", api.Operator)).Status);
    }

    [Fact]
    public async Task A_buyer_whose_count_never_expired_waits_for_one_window()
    {
        const int countMax = 3;
        await using var api = servers.StartApi(
            ("Limits:SharedUserPurchasesMax", $"{countMax}"), ("Limits:SharedWindowMs", $"{DurationMs}"));
        var skuId = await servers.PutOnSaleAsync(api);

        // Another buyer each time, because a click passes whose count does not come at once.
        var (key, refused) = await Deadline.UntilAsync(
            async () =>
            {
                var user = Random.Shared.Next(1_000_000, int.MaxValue);
                RedisKey key = $"limit:purchases:{{{user}}}";
                await servers.Redis.StringSetAsync(key, countMax);
                return (Key: key, Reply: await api.BuyAsync(user, skuId));
            },
            asked => asked.Reply.Status == 429, Cancelled);

        Assert.Equal((429, "too many requests"), (refused.Status, refused.Error));
        Assert.InRange(int.Parse(refused.Headers.GetValues("Retry-After").Single(), CultureInfo.InvariantCulture), 1, DurationMs / 1_000);
        Assert.InRange((await servers.Redis.KeyTimeToLiveAsync(key))!.Value.TotalMilliseconds, 1, DurationMs);
    }

    private Lease NewLease(string key) => new(servers.Redis.Multiplexer, key, DurationMs);

    private Task PutAsync(string key, bool isText) =>
        isText ? servers.Redis.StringSetAsync(key, "theirs") : (Task)servers.Redis.ListLeftPushAsync(key, "theirs");
}
