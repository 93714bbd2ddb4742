using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Seckill.Api.Auth;
using Seckill.Api.Limits;
using Seckill.Console.Auth;
using Seckill.Console.Ops;
using Seckill.ServiceDefaults.Login;
using Seckill.Tests.Worker;

namespace Seckill.Tests.Security;

/// <summary>
/// Small entrances: a login's redirect, the console's way to the Api, the demo login, addresses that count as one, and the log of wrong
/// keys.
/// </summary>
[Trait("Category", "Quick")]
public sealed class DoorTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/sales?x=%E4%BD%A0", "/sales?x=%E4%BD%A0")]
    [InlineData("/sales\u2028", "/")]
    [InlineData("/你好", "/")]
    [InlineData("//evil.example", "/")]
    [InlineData("/\\evil.example", "/")]
    [InlineData("https://evil.example", "/")]
    [InlineData("/a\nb", "/")]
    [InlineData("", "/")]
    [InlineData(null, "/")]
    public void A_login_leads_to_a_page_of_the_console_by_a_header_that_can_be_sent(string? path, string leadsTo) =>
        Assert.Equal(leadsTo, ConsoleLogin.LocalPath(path));

    [Theory]
    [InlineData("http://api:8080", null)]
    [InlineData("https://shop.example/", null)]
    [InlineData("api:8080", "'api:8080' is not an http(s) address")]
    [InlineData("/api", "is not an http(s) address")]
    [InlineData("ftp://api", "is not an http(s) address")]
    [InlineData("", "Url field is required")]
    public void The_console_refuses_an_Api_that_is_at_no_web_address(string url, string? reason)
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(
            new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Api:Url"] = url }).Build());
        services.AddOpsApi();
        using var provider = services.BuildServiceProvider();
        var options = provider.GetRequiredService<IOptions<ApiOptions>>();

        if (reason is null)
        {
            Assert.Equal(new Uri(url), options.Value.Url);
            return;
        }

        var refused = Assert.Throws<OptionsValidationException>(() => options.Value);
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1", "localhost:5080", true)]
    [InlineData("::1", "[::1]:5080", true)]
    [InlineData("::ffff:127.0.0.1", "127.0.0.1", true)]
    [InlineData("127.0.0.1", "api.dev.localhost", true)]
    [InlineData(null, "localhost", true)]
    [InlineData("192.0.2.1", "localhost", false)]
    [InlineData("127.0.0.1", "shop.example", false)]
    [InlineData("127.0.0.1", "notlocalhost", false)]
    [InlineData("127.0.0.1", "localhost.shop.example", false)]
    [InlineData("127.0.0.1", "192.0.2.1", false)]
    [InlineData("127.0.0.1", "", false)]
    public void The_demo_login_serves_this_machine_only(string? peer, string host, bool open)
    {
        var http = new DefaultHttpContext();
        http.Connection.RemoteIpAddress = peer is null ? null : IPAddress.Parse(peer);
        http.Request.Host = new HostString(host);
        Assert.Equal(open, DemoLoginDoor.IsOpenTo(http, new LoginOptions()));
        Assert.True(DemoLoginDoor.IsOpenTo(http, new LoginOptions { DemoLoginForAnyone = true }));
    }

    [Fact]
    public void A_network_of_many_IPv6_addresses_is_one_and_so_is_a_site_of_many_networks()
    {
        var limiter = new AddressLimiter(
            Options.Create(new LimitOptions { AddressRequestsPerSecond = 1, SiteRequestsPerSecond = 2 }), new StoppedClock());

        Assert.True(Take("2001:db8:1:1::1"));
        Assert.False(Take("2001:db8:1:1::2"));
        Assert.True(Take("2001:db8:1:2::1"));
        Assert.False(Take("2001:db8:1:3::1"));
        Assert.True(Take("2001:db8:2:1::1"));
        // IPv4 addresses are not grouped.
        Assert.True(Take("192.0.2.1"));
        Assert.True(Take("192.0.2.2"));
        Assert.True(Take("::ffff:192.0.2.3"));

        bool Take(string address)
        {
            var http = new DefaultHttpContext();
            http.Connection.RemoteIpAddress = IPAddress.Parse(address);
            return limiter.TryTake(http);
        }
    }

    [Fact]
    public async Task Wrong_operations_keys_make_one_line_that_says_from_where()
    {
        using var lines = new LogLines();
        using var loggers = new LoggerFactory([lines]);
        using var wrong = new WrongKeys(TimeProvider.System, loggers.CreateLogger<WrongKeys>());
        for (var guess = 0; guess < 50; guess++)
        {
            wrong.Note(IPAddress.Parse("192.0.2.7"));
        }

        await Deadline.UntilAsync(() => Task.FromResult(lines.Lines.Count), count => count > 0, Cancelled);
        var (level, text) = Assert.Single(lines.Lines);
        Assert.Equal((LogLevel.Warning, "50 wrong operations keys within a second, the first of them from 192.0.2.7"), (level, text));
    }

    [Fact]
    public void A_checkout_makes_keys_by_chance_once_for_its_owner_alone()
    {
        var folder = Directory.CreateTempSubdirectory("seckill-keys-");
        try
        {
            var read = new CheckoutKeys.Keys[8];
            // Left by a process that was killed while it held the lock.
            File.WriteAllText(Path.Combine(folder.FullName, "keys.json.lock"), "");
            Parallel.For(0, read.Length, i => read[i] = CheckoutKeys.Read(folder.FullName));
            Assert.Single(read.Distinct());
            Assert.InRange(read[0].Auth.SigningKey.Length, 32, 128);
            Assert.NotEqual(read[0].Auth.SigningKey, read[0].Ops.Key);
            var file = Assert.Single(folder.GetFiles());
            if (!OperatingSystem.IsWindows())
            {
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, file.UnixFileMode);
            }

            File.WriteAllText(file.FullName, "{}");
            Assert.Throws<LocalServerException>(() => CheckoutKeys.Read(folder.FullName));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private sealed class StoppedClock : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }
}
