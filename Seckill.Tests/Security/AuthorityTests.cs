using Microsoft.IdentityModel.Tokens;
using Seckill.Tests.Operations;

namespace Seckill.Tests.Security;

/// <summary>A shop's OpenID Connect login: its public keys, its claim for the buyer's number, and no other issuer.</summary>
[Collection(OperationsTests.Name)]
public sealed class AuthorityTests(OperationsFixture servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Its_tokens_are_believed_and_no_others()
    {
        await using var authority = await LoopbackAuthority.StartAsync(Cancelled);
        await using var api = servers.StartApi(
            ("Auth:Authority", authority.Url), ("Auth:AuthorityNeedsTls", "false"), ("Auth:Issuer", authority.Url),
            ("Auth:BuyerClaim", LoopbackAuthority.BuyerClaim));

        foreach (var algorithm in (string[])[SecurityAlgorithms.RsaSha256, SecurityAlgorithms.EcdsaSha256])
        {
            var token = authority.Sign(algorithm, "auth0|5f7c8ec7", "7");
            // The third time it comes from the cache.
            for (var time = 0; time < 3; time++)
            {
                Assert.Equal("7", (await api.GetAsync("/api/session", token)).Text("user_id"));
            }
        }

        // The subject is not a buyer's number here, even if it looks like one.
        Assert.Equal(401, (await api.GetAsync("/api/orders", authority.Sign(SecurityAlgorithms.RsaSha256, "7", null))).Status);
        Assert.Equal(401, (await api.GetAsync(
            "/api/orders", authority.Sign(SecurityAlgorithms.RsaSha256, "7", "7", audience: "another"))).Status);
        // Neither the former shared key nor another provider's key is accepted.
        var shared = new TokenIssuer(CheckoutKeys.SigningKey, authority.Url).For("7", "operator");
        Assert.Equal(401, (await api.GetAsync("/api/ops/sales", shared)).Status);
        await using var other = await LoopbackAuthority.StartAsync(Cancelled);
        Assert.Equal(401, (await api.GetAsync("/api/orders", other.Sign(SecurityAlgorithms.RsaSha256, "x", "7"))).Status);

        var operators = authority.Sign(SecurityAlgorithms.RsaSha256, "auth0|operator", buyer: null, role: "operator");
        Assert.Equal(200, (await api.GetAsync("/api/ops/sales", operators)).Status);
    }
}
