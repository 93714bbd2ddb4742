using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using Seckill.Api.Auth;
using Seckill.Console.Auth;
using Seckill.ServiceDefaults.Login;

namespace Seckill.Tests.Unit;

/// <summary>By default, the framework would fetch an authority's keys only twice a day.</summary>
[Trait("Category", "Quick")]
public sealed class AuthorityKeysTests
{
    [Fact]
    public void The_Api_notices_within_minutes_that_a_key_was_taken_back() =>
        Assert.Equal(LoginOptions.AuthorityTrustedFor, IntervalOf(services => services.AddLoginState()));

    [Fact]
    public void The_console_notices_within_minutes_that_a_key_was_taken_back() =>
        Assert.Equal(LoginOptions.AuthorityTrustedFor, IntervalOf(services => services.AddConsoleLogin()));

    private static TimeSpan IntervalOf(Func<IServiceCollection, IServiceCollection> addLogin)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Auth:Authority"] = "https://login.example",
            ["Auth:Issuer"] = "https://login.example",
            ["Auth:Audience"] = "seckill",
            ["Auth:SigningKey"] = CheckoutKeys.SigningKey,
        });
        builder.Services.AddLogging().AddSingleton(TimeProvider.System);
        addLogin(builder.Services);
        using var provider = builder.Services.BuildServiceProvider();
        var bearer = provider.GetRequiredService<IOptionsMonitor<JwtBearerOptions>>().Get(JwtBearerDefaults.AuthenticationScheme);
        return Assert.IsAssignableFrom<BaseConfigurationManager>(bearer.ConfigurationManager).AutomaticRefreshInterval;
    }
}
