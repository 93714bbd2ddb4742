using Seckill.Tests.Operations;

namespace Seckill.Tests.Security;

/// <summary>The API reference is generated once, and is not served unless it is switched on.</summary>
[Collection(OperationsTests.Name)]
public sealed class DocumentationTests(OperationsFixture servers)
{
    [Fact]
    public async Task It_is_there_when_wanted_names_no_address_and_is_not_there_otherwise()
    {
        await using (var api = servers.StartApi())
        {
            var document = await api.GetAsync("/openapi/v1.json");
            Assert.True(document.Body.GetProperty("paths").TryGetProperty("/api/seckill/orders", out _));
            Assert.False(document.Body.TryGetProperty("servers", out var named) && named.GetArrayLength() > 0);
        }

        await using var without = servers.StartApi(("Documentation:Enabled", "false"));
        Assert.Equal(404, (await without.GetAsync("/openapi/v1.json")).Status);
        Assert.Equal(404, (await without.GetAsync("/docs/")).Status);
    }
}
