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
        var absent = await without.GetAsync("/openapi/v1.json");
        Assert.Equal(404, absent.Status);
        Assert.Equal(["error", "status", "title", "trace_id", "type"], absent.Body.EnumerateObject().Select(member => member.Name).Order());
        Assert.Matches("^[0-9a-f]{32}$", absent.Text("trace_id"));
        Assert.Equal(404, (await without.GetAsync("/docs/")).Status);
    }

    /// <summary>A client that is generated from it must send what the API reads.</summary>
    [Fact]
    public async Task Its_members_have_the_names_of_the_JSON_and_it_says_which_calls_need_a_login()
    {
        await using var api = servers.StartApi();
        var document = (await api.GetAsync("/openapi/v1.json")).Body;
        var components = document.GetProperty("components");

        var schemas = components.GetProperty("schemas");
        Assert.All(
            schemas.EnumerateObject().Where(schema => schema.Value.TryGetProperty("properties", out _))
                .SelectMany(schema => schema.Value.GetProperty("properties").EnumerateObject()),
            member => Assert.Matches("^[a-z][a-z0-9_]*$", member.Name));
        var click = schemas.GetProperty("PlaceOrderRequest");
        Assert.Equal(
            ["client_order_no", "price", "purchase_token", "quantity", "sku_id"],
            click.GetProperty("properties").EnumerateObject().Select(member => member.Name).Order());
        Assert.Equal(["quantity", "sku_id"], click.GetProperty("required").EnumerateArray().Select(name => name.GetString()).Order());

        Assert.Equal(["bearer", "ops_key"], components.GetProperty("securitySchemes").EnumerateObject().Select(s => s.Name).Order());
        Assert.Equal(["bearer"], SchemesOf("/api/seckill/orders", "post"));
        Assert.Equal(["bearer", "ops_key"], SchemesOf("/api/ops/reconciliation", "get"));
        Assert.Empty(SchemesOf("/api/products", "get"));

        IEnumerable<string> SchemesOf(string path, string method) =>
            document.GetProperty("paths").GetProperty(path).GetProperty(method).TryGetProperty("security", out var needed)
                ? needed.EnumerateArray().SelectMany(one => one.EnumerateObject()).Select(scheme => scheme.Name).Order()
                : [];
    }
}
