using System.Globalization;
using System.Security.Claims;
using System.Text;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Seckill.Api.Auth;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Tests.Unit;

/// <summary>Caching a checked token must never accept another one, nor this one for too long.</summary>
[Trait("Category", "Quick")]
public sealed class TokenCacheTests
{
    private static readonly TokenIssuer Issuer = new(CheckoutKeys.SigningKey);

    private static readonly TokenValidationParameters Parameters = new()
    {
        ValidIssuer = "seckill",
        ValidAudience = "seckill",
        IssuerSigningKey = new SymmetricSecurityKey(Encoding.UTF8.GetBytes(CheckoutKeys.SigningKey)),
        ValidAlgorithms = [SecurityAlgorithms.HmacSha256],
        NameClaimType = LoginOptions.SubjectClaim,
    };

    private readonly Clock _clock = new();

    [Fact]
    public async Task A_token_is_remembered_from_the_second_time_on_with_what_it_says()
    {
        var cache = Cache(100);
        var token = Issuer.ForOperator();
        Assert.False(IsRemembered(await cache.ValidateTokenAsync(token, Parameters)));
        Assert.False(IsRemembered(await cache.ValidateTokenAsync(token, Parameters)));
        var remembered = await cache.ValidateTokenAsync(token, Parameters);
        Assert.True(IsRemembered(remembered));
        Assert.True(remembered.IsValid);
        var user = new ClaimsPrincipal(remembered.ClaimsIdentity);
        Assert.True(user.Identity!.IsAuthenticated);
        Assert.Equal((1, "operator"), (user.UserId(), user.FindFirst(LoginOptions.RoleClaim)?.Value));
    }

    [Fact]
    public async Task Another_token_is_never_taken_for_it()
    {
        var cache = Cache(100);
        var token = await RememberAsync(cache, 7);
        var other = Issuer.ForBuyer(8);
        // Claims of one, signature of the other: the obvious forgery with a known valid token.
        var forged = string.Join('.', other.Split('.')[0], other.Split('.')[1], token.Split('.')[2]);
        Assert.False((await cache.ValidateTokenAsync(forged, Parameters)).IsValid);
        Assert.False((await cache.ValidateTokenAsync(forged, Parameters)).IsValid);
        Assert.False((await cache.ValidateTokenAsync(forged, Parameters)).IsValid);
    }

    [Fact]
    public async Task An_expired_one_is_asked_about_again()
    {
        var cache = Cache(100);
        var token = await RememberAsync(cache, 7);
        _clock.Ahead = TimeSpan.FromHours(3);
        Assert.False(IsRemembered(await cache.ValidateTokenAsync(token, Parameters)));
    }

    [Fact]
    public async Task Used_tokens_stay_and_the_rest_goes()
    {
        var cache = Cache(8);
        var used = await RememberAsync(cache, 1);
        var unused = await RememberAsync(cache, 2);
        for (var user = 3; user < 40; user++)
        {
            await RememberAsync(cache, user);
            Assert.True(IsRemembered(await cache.ValidateTokenAsync(used, Parameters)));
        }

        Assert.False(IsRemembered(await cache.ValidateTokenAsync(unused, Parameters)));
    }

    [Fact]
    public async Task With_room_for_none_each_is_checked_each_time()
    {
        var cache = Cache(0);
        var token = Issuer.ForBuyer(7);
        for (var i = 0; i < 4; i++)
        {
            Assert.False(IsRemembered(await cache.ValidateTokenAsync(token, Parameters)));
        }
    }

    [Theory]
    [InlineData("4000000000", "2096-10-02T07:07:10")]
    [InlineData("4000000000.5", "2096-10-02T07:07:10")]
    [InlineData("4E9", "2096-10-02T07:07:10")]
    [InlineData("253402300799", "9999-12-31T23:59:59")]
    [InlineData("9223372036854775807", "9999-12-31T23:59:59")]
    public async Task A_tokens_end_is_read_in_each_form_that_it_may_have(string expiry, string end)
    {
        var cache = Cache(max: 3);
        var credentials = new SigningCredentials(
            new SymmetricSecurityKey(Encoding.UTF8.GetBytes(CheckoutKeys.SigningKey)), SecurityAlgorithms.HmacSha256);
        var token = new JsonWebTokenHandler().CreateToken(
            $$"""{"iss":"seckill","aud":"seckill","sub":"7","exp":{{expiry}}}""", credentials);

        // The first time it is checked, the second time checked and cached, the third time found in the cache.
        for (var i = 0; i < 3; i++)
        {
            var result = await cache.ValidateTokenAsync(token, Parameters);
            Assert.True(result.IsValid, result.Exception?.Message);
            var ends = TokenCache.EndOf(new ClaimsPrincipal(result.ClaimsIdentity), new AuthOptions { ClockSkewSeconds = 30 });
            Assert.Equal(end, ends.ToString("s", CultureInfo.InvariantCulture));
        }
    }

    [Fact]
    public void A_login_without_a_token_has_ended() => Assert.True(
        TokenCache.EndOf(new ClaimsPrincipal(new ClaimsIdentity([], "test")), new AuthOptions()) < DateTime.UnixEpoch);

    private TokenCache Cache(int max) => new(
        Options.Create(
            new AuthOptions
            {
                Issuer = "seckill",
                Audience = "seckill",
                SigningKey = CheckoutKeys.SigningKey,
                TokensRememberedMax = max,
            }),
        _clock);

    private static async Task<string> RememberAsync(TokenCache cache, long user)
    {
        var token = Issuer.ForBuyer(user);
        await cache.ValidateTokenAsync(token, Parameters);
        await cache.ValidateTokenAsync(token, Parameters);
        return token;
    }

    private static bool IsRemembered(TokenValidationResult result) => result.SecurityToken is not JsonWebToken;

    private sealed class Clock : TimeProvider
    {
        public TimeSpan Ahead { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Ahead;
    }
}
