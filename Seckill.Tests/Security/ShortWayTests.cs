using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.Tokens;
using Seckill.ServiceDefaults.Login;
using Seckill.Tests.Operations;

namespace Seckill.Tests.Security;

/// <summary>
/// Buyers' endpoints have a short way past the framework's authentication. It must accept exactly the callers that the framework accepts.
/// The WebSocket's endpoint has no short way, so the two are compared.
/// </summary>
[Collection(OperationsTests.Name)]
public sealed class ShortWayTests(OperationsFixture servers)
{
    /// <summary>Both answer 400 to a buyer, because the request is incomplete, and 401 to everyone else.</summary>
    private const string Short = "/api/seckill/token";
    private const string Long = "/api/orders/seckill/ws";

    /// <summary>The third time it comes from the cache.</summary>
    private const int Times = 3;

    private const string Header = """{"alg":"HS256","typ":"JWT"}""";

    private static readonly long Now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    private static readonly string Good = Signed(Header, Claims());

    /// <summary>Known cases with their result; for the others the framework decides.</summary>
    private static readonly (string Name, bool IsIn, (string Name, string Value)[] Headers)[] Requests =
    [
        ("a good token", true, Bearer(Good)),
        ("a good cookie", true, Cookie(Good)),
        ("spaces around", true, Bearer($"  {Good} ")),
        ("a cookie beside another scheme", true, [("Authorization", "Basic c2hvcDpzaG9w"), .. Cookie(Good)]),
        ("an unknown kid", true, Bearer(Signed("""{"alg":"HS256","kid":"../../dev/null"}""", Claims()))),
        ("no algorithm", false, Bearer(Encoded("""{"alg":"none"}""") + "." + Encoded(Claims()) + ".")),
        ("no algorithm, with a signature", false, Bearer(Signed("""{"alg":"none"}""", Claims()))),
        ("an algorithm that is not named", false, Bearer(Signed("""{"alg":"HS512"}""", Claims()))),
        ("a key of its own", false, Bearer(Signed(
            """{"alg":"HS256","jwk":{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}""", Claims(), new byte[32]))),
        ("another issuer", false, Bearer(Signed(Header, Claims(issuer: "another")))),
        ("another audience", false, Bearer(Signed(Header, Claims(audience: "another")))),
        ("expired", false, Bearer(Signed(Header, Claims(expires: $"{Now - 3_600}")))),
        ("not yet", false, Bearer(Signed(Header, Claims(more: $",\"nbf\":{Now + 3_600}")))),
        ("no end", false, Bearer(Signed(Header, """{"iss":"seckill","aud":"seckill","sub":"7"}"""))),
        ("no buyer", false, Bearer(Signed(Header, Claims(subject: "\"shop\"", more: ",\"role\":\"operator\"")))),
        ("a bad token beside a good cookie", false, [.. Bearer(Good[..^2]), .. Cookie(Good)]),
        ("two headers", false, [.. Bearer(Good), .. Bearer(Good)]),
        ("an end at the end of time", true, Bearer(Signed(Header, Claims(expires: "253402300799")))),
        ("an end behind it", true, Bearer(Signed(Header, Claims(expires: $"{long.MaxValue}")))),
        ("an end within a second", true, Bearer(Signed(Header, Claims(expires: $"{Now + 3_600}.5")))),
        .. Odd().Select(token => ($"'{token}'", false, Bearer(token))),
        .. Odd().Select(token => ($"cookie '{token}'", false, Cookie(token))),
    ];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_short_way_and_the_long_way_let_in_the_same_callers()
    {
        await using var api = servers.StartApi(("Limits:UserQueriesPerSecond", "0"));
        var wrong = new List<string>();
        foreach (var (name, isIn, headers) in Requests)
        {
            for (var time = 1; time <= Times; time++)
            {
                foreach (var path in (string[])[Short, Long])
                {
                    var status = await AskAsync(api, path, headers);
                    if (status != (isIn ? 400 : 401))
                    {
                        wrong.Add(string.Create(CultureInfo.InvariantCulture, $"{name}, time {time}, {path}: {status}"));
                    }
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    private static IEnumerable<string> Odd() =>
    [
        ".", "..", "....", "a", "a.b.c", "a.b.c.d.e", "%20", "%00", "%F0%9F.%98.x", "null", Good + ".", Good + "..", "." + Good,
        Good + "%00",
        Encoded("{}") + "..", Encoded("[]") + "." + Encoded("[]") + ".x", Encoded("""{"alg":7}""") + "." + Encoded("{}") + ".x",
        Encoded("""{"alg":"dir","enc":"A128CBC-HS256"}""") + "..AAAA.AAAA.AAAA",
        Encoded("""{"alg":"PBES2-HS256+A128KW","enc":"A128CBC-HS256","p2c":2147483647,"p2s":"AAAA","zip":"DEF"}""")
            + ".AAAA.AAAA.AAAA.AAAA",
        Signed(Header, Claims(subject: "[]")), Signed(Header, Claims(subject: "null")), Signed(Header, Claims(subject: "{\"sub\":\"7\"}")),
        Signed(Header, Claims(expires: "\"never\"")), Signed(Header, Claims(expires: "-1")), Signed(Header, Claims(expires: "null")),
        Signed(Header, Claims(subject: new string('[', 200))), Signed(Header, "7"), Signed(Header, "null"), Signed(Header, ""),
        new('a', 5_000),
    ];

    private static string Claims(
        string subject = "\"7\"", string issuer = "seckill", string audience = "seckill", string? expires = null, string more = "") =>
        $$"""{"iss":"{{issuer}}","aud":"{{audience}}","sub":{{subject}},"exp":{{expires ?? $"{Now + 3_600}"}}{{more}}}""";

    private static string Signed(string header, string claims, byte[]? key = null)
    {
        var text = Encoded(header) + "." + Encoded(claims);
        return text + "." + Base64UrlEncoder.Encode(
            HMACSHA256.HashData(key ?? Encoding.UTF8.GetBytes(CheckoutKeys.SigningKey), Encoding.ASCII.GetBytes(text)));
    }

    private static string Encoded(string json) => Base64UrlEncoder.Encode(json);

    private static (string, string)[] Bearer(string token) => [("Authorization", "Bearer " + token)];

    private static (string, string)[] Cookie(string token) => [("Cookie", $"{LoginOptions.Cookie}={token}")];

    private static async Task<int> AskAsync(ApiHost api, string path, (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using var answer = await api.Client.SendAsync(request, Cancelled);
        return (int)answer.StatusCode;
    }
}
