using Microsoft.Extensions.Options;
using Seckill.Api.Auth;
using Seckill.Api.Tokens;

namespace Seckill.Tests.Operations;

/// <summary>A purchase token is good for one buyer, one SKU and a short time, on any instance with the same key.</summary>
[Trait("Category", "Quick")]
public sealed class PurchaseTokenTests
{
    private const string Key = "a-signing-key-of-thirty-two-bytes-or-more";

    private readonly SettableTime _time = new();

    [Fact]
    public void Any_instance_takes_it_until_it_expires()
    {
        var (token, expiresAtMs) = Tokens().Issue(7, 1001);
        Assert.Equal(32, token.Length);
        Assert.Equal(_time.GetUtcNow().AddSeconds(60).ToUnixTimeMilliseconds(), expiresAtMs);

        _time.Now += TimeSpan.FromSeconds(59.9);
        Assert.Equal(PurchaseTokenState.Valid, Tokens().Check(token, 7, 1001));
        _time.Now += TimeSpan.FromSeconds(0.1);
        Assert.Equal(PurchaseTokenState.Expired, Tokens().Check(token, 7, 1001));
        Assert.Equal(PurchaseTokenState.Foreign, Tokens().Check(token, 8, 1001));
    }

    [Fact]
    public void Nobody_else_and_no_other_sku_can_use_it()
    {
        var tokens = Tokens();
        var (token, _) = tokens.Issue(7, 1001);
        Assert.Equal(PurchaseTokenState.Foreign, tokens.Check(token, 8, 1001));
        Assert.Equal(PurchaseTokenState.Foreign, tokens.Check(token, 7, 1002));
        Assert.Equal(PurchaseTokenState.Foreign, tokens.Check(token, 1001, 7));
        Assert.Equal(PurchaseTokenState.Foreign, Tokens("another-signing-key-of-thirty-two-bytes").Check(token, 7, 1001));
    }

    [Fact]
    public void A_change_to_any_character_is_noticed()
    {
        var tokens = Tokens();
        var (token, _) = tokens.Issue(7, 1001);
        for (var i = 0; i < token.Length; i++)
        {
            var changed = token[..i] + (token[i] == 'A' ? 'B' : 'A') + token[(i + 1)..];
            Assert.True(tokens.Check(changed, 7, 1001) == PurchaseTokenState.Foreign, $"character {i}");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!!")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public void Rubbish_is_refused(string token) => Assert.Equal(PurchaseTokenState.Foreign, Tokens().Check(token, 7, 1001));

    private PurchaseTokens Tokens(string key = Key) => new(
        Options.Create(new AuthOptions { Issuer = "i", Audience = "a", SigningKey = key }), Options.Create(new PurchaseTokenOptions()),
        _time);

    private sealed class SettableTime : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 11, 11, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
