using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Seckill.Api.Limits;

namespace Seckill.Tests.Operations;

/// <summary>The windows count each key separately and exactly, and reset every second.</summary>
[Trait("Category", "Quick")]
public sealed class RequestWindowsTests
{
    private readonly SettableTime _time = new();

    [Fact]
    public void A_second_has_so_many_and_the_next_as_many_again()
    {
        var windows = new RequestWindows(3, _time);
        for (var second = 0; second < 3; second++)
        {
            Assert.Equal([true, true, true, false, false], Enumerable.Range(0, 5).Select(_ => windows.TryTake(7)));
            _time.Advance(1_000);
        }

        // A whole second later and no sooner.
        Assert.True(windows.TryTake(8));
        _time.Advance(999);
        Assert.Equal([true, true, false], Enumerable.Range(0, 3).Select(_ => windows.TryTake(8)));
    }

    [Fact]
    public void One_key_does_not_use_up_anothers()
    {
        var windows = new RequestWindows(1, _time);
        var passed = Enumerable.Range(1, 10_000).Count(key => windows.TryTake((ulong)key));
        // Some hashes collide: about fifty of ten thousand in a million slots.
        Assert.InRange(passed, 9_800, 10_000);
    }

    [Fact]
    public void Zero_is_no_limit()
    {
        var windows = new RequestWindows(0, _time);
        Assert.All(Enumerable.Range(0, 1_000), _ => Assert.True(windows.TryTake(7)));
    }

    [Fact]
    public async Task Many_callers_at_once_get_exactly_the_limit()
    {
        var windows = new RequestWindows(1_000, _time);
        var taken = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 5_000; i++)
            {
                if (windows.TryTake(7))
                {
                    Interlocked.Increment(ref taken);
                }
            }
        }, TestContext.Current.CancellationToken)));
        Assert.Equal(1_000, taken);
    }

    [Theory]
    [InlineData("203.0.113.9", "203.0.113.9", true)]
    [InlineData("203.0.113.9", "203.0.113.10", false)]
    [InlineData("203.0.113.9", "::ffff:203.0.113.9", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    public void An_address_is_an_IPv4_address_or_an_IPv6_network(string one, string other, bool same) =>
        Assert.Equal(same, AddressLimiter.KeyOf(IPAddress.Parse(one)) == AddressLimiter.KeyOf(IPAddress.Parse(other)));

    [Theory]
    [InlineData("203.0.113.9", 2)]
    [InlineData("127.0.0.1", 10)]
    [InlineData("::1", 10)]
    public void Addresses_are_limited_but_not_this_machine(string address, int passed)
    {
        var limiter = new AddressLimiter(Options.Create(new LimitOptions { AddressRequestsPerSecond = 2 }), _time);
        var http = new DefaultHttpContext { Connection = { RemoteIpAddress = IPAddress.Parse(address) } };
        Assert.Equal(passed, Enumerable.Range(0, 10).Count(_ => limiter.TryTake(http)));
    }

    private sealed class SettableTime : TimeProvider
    {
        private long _timestamp = 12_345;

        public override long TimestampFrequency => 1_000;

        public override long GetTimestamp() => _timestamp;

        public void Advance(int milliseconds) => _timestamp += milliseconds;
    }
}
