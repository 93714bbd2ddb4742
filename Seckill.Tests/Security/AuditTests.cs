using System.Net;
using System.Security.Claims;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using RabbitMQ.Client;
using Seckill.Api.Audit;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Store;
using Seckill.Tests.Operations;

namespace Seckill.Tests.Security;

/// <summary>The audit records each action and view with its caller, origin and result; refused requests cannot fill it.</summary>
[Collection(OperationsTests.Name)]
public sealed class AuditTests(OperationsFixture servers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_key_of_the_machines_beside_a_buyers_token_is_audited_as_the_key()
    {
        await using var api = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(api);

        var paused = await api.PostAsync($"/api/ops/sales/{skuId}/pause", api.Buyer(77), null, ("X-Ops-Key", ApiHost.OpsKey));

        Assert.Equal(200, paused.Status);
        var entry = await NewestAsync("sale.pause", $"sku {skuId}");
        Assert.Equal(("ops-key", "ops-key", 200, ""), (entry.Operator, entry.Scheme, entry.Outcome!.Status, entry.Outcome.Reason));
    }

    [Fact]
    public async Task A_long_subject_is_audited_whole_and_one_that_names_nobody_has_no_powers()
    {
        await using var api = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(api);
        var subject = new string('s', 200);
        Assert.Equal(200, (await PauseAsync(api, skuId, subject)).Status);
        Assert.Equal(subject, (await NewestAsync("sale.pause", $"sku {skuId}")).Operator);

        foreach (var nobody in (string[])[new string('s', 256), "", "  ", "two\nlines"])
        {
            var refused = await PauseAsync(api, skuId, nobody);
            Assert.InRange(refused.Status, 401, 403);
        }
    }

    [Fact]
    public async Task How_a_call_ended_stands_beside_it_and_refusals_are_there_too()
    {
        await using var api = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(api);
        var other = skuId + 1_000_000;
        Assert.Equal(404, (await api.PostAsync($"/api/ops/sales/{other}/pause", api.Operator)).Status);
        var missed = await NewestAsync("sale.pause", $"sku {other}");
        Assert.Equal(("1", "bearer", 404, "unknown sku"), (missed.Operator, missed.Scheme, missed.Outcome!.Status, missed.Outcome.Reason));

        Assert.Equal(409, (await api.PostAsync(
            $"/api/ops/sales/{skuId}/stock", api.Operator, """{"add":1,"units_before":999}""")).Status);
        Assert.Equal(409, (await NewestAsync("sale.add-stock", $"sku {skuId}")).Outcome!.Status);

        Assert.Equal(403, (await api.PostAsync($"/api/ops/sales/{skuId}/pause", api.Buyer(78))).Status);
        var refused = await NewestAsync(RefusalLog.Refused, $"POST /api/ops/sales/{skuId}/pause");
        Assert.Equal(("78", "bearer", 403), (refused.Operator, refused.Scheme, refused.Outcome!.Status));

        Assert.Equal(400, (await api.PutAsync($"/api/ops/sales/{skuId}", api.Operator, "{}")).Status);
        var wrong = await NewestAsync(RefusalLog.Refused, $"PUT /api/ops/sales/{skuId}");
        Assert.Equal((400, "nothing to change"), (wrong.Outcome!.Status, wrong.Outcome.Reason));

        var read = (await api.GetAsync("/api/ops/audit?take=500", api.Operator)).Body.GetProperty("items").EnumerateArray()
            .First(item => item.GetProperty("id").GetString() == $"{missed.Id}");
        Assert.Equal((404, "unknown sku"), (read.GetProperty("status").GetInt32(), read.GetProperty("error").GetString()));
    }

    [Fact]
    public async Task Looking_at_a_buyers_orders_is_audited()
    {
        await using var api = servers.StartApi();
        var skuId = await servers.PutOnSaleAsync(api);
        var order = (await api.BuyAsync(79, skuId)).Text("order_id");
        Assert.Equal(200, (await api.GetAsync($"/api/ops/orders?q={order}", api.Operator)).Status);
        var looked = await NewestAsync("orders.read", order);
        Assert.Equal(("1", "1 orders; buyers: 79", 200), (looked.Operator, looked.Detail, looked.Outcome!.Status));
    }

    [Fact]
    public async Task Looking_at_the_bodies_of_dead_letters_is_audited()
    {
        await using var api = servers.StartApi();
        // The list shows only so many letters, and earlier tests leave some.
        await servers.PurgeAsync();
        var skuId = await servers.PutOnSaleAsync(api);
        var message = JsonSerializer.SerializeToUtf8Bytes(new { user_id = 80, sku_id = skuId, quantity = 1 });
        await servers.Channel.BasicPublishAsync(
            OrderTopology.DeadLetterExchange, OrderTopology.RoutingKey, mandatory: true, new BasicProperties(), message, Cancelled);

        var list = await api.GetAsync("/api/ops/dead-letters", api.Operator);
        Assert.Contains("80", (await NewestAsync("dead-letters.read")).Detail, StringComparison.Ordinal);
        var id = list.Body.GetProperty("items").EnumerateArray()
            .First(item => item.GetProperty("order").GetProperty("user_id").GetString() == "80").GetProperty("id").GetString()!;
        Assert.Equal(200, (await api.GetAsync($"/api/ops/dead-letters/{id}", api.Operator)).Status);
        Assert.Equal("buyers: 80", (await NewestAsync("dead-letter.read", id)).Detail);
        Assert.Equal(200, (await api.PostAsync($"/api/ops/dead-letters/{id}/abandon", api.Operator)).Status);
    }

    [Fact]
    public async Task Strangers_get_one_row_together_and_those_with_a_login_so_many()
    {
        await using var api = servers.StartApi();
        var log = api.Get<RefusalLog>();
        await log.SummariseAsync();
        var before = await CountAsync();
        for (var call = 0; call < 30; call++)
        {
            Assert.Equal(401, (await api.GetAsync("/api/ops/audit")).Status);
        }

        await log.SummariseAsync();
        Assert.Equal(before + 1, await CountAsync());
        var summary = await NewestAsync(RefusalLog.Summary);
        Assert.Equal(("", "none", "30 calls"), (summary.Operator, summary.Scheme, summary.Target));
        Assert.Contains("30 × 401", summary.Detail, StringComparison.Ordinal);

        for (var call = 0; call < RefusalLog.RowsPerMinuteMax + 5; call++)
        {
            Assert.Equal(403, (await api.GetAsync("/api/ops/audit", api.Buyer(81))).Status);
        }

        await Deadline.UntilAsync(CountAsync, count => count >= before + 1 + RefusalLog.RowsPerMinuteMax, Cancelled);
        await log.SummariseAsync();
        Assert.Equal(before + 2 + RefusalLog.RowsPerMinuteMax, await CountAsync());
        Assert.Equal("5 calls", (await NewestAsync(RefusalLog.Summary)).Target);
    }

    [Fact]
    public void A_call_has_the_address_and_the_name_of_the_identity_with_the_role()
    {
        var http = new DefaultHttpContext
        {
            User = new ClaimsPrincipal([Of("Bearer", ("sub", "82")), Of("Bearer", ("sub", "83"), ("role", "operator"))]),
        };
        http.Connection.RemoteIpAddress = IPAddress.Parse("192.0.2.9");
        http.Request.Headers.Authorization = "Basic c2hvcDpzaG9w";
        var call = OperatorCall.Of(http);
        Assert.Equal(("83", "cookie", "192.0.2.9"), (call.Operator, call.Scheme, call.Address));

        var stranger = OperatorCall.Of(new DefaultHttpContext());
        Assert.Equal(("", "none", ""), (stranger.Operator, stranger.Scheme, stranger.Address));

        static ClaimsIdentity Of(string scheme, params (string Type, string Value)[] claims) =>
            new(claims.Select(claim => new Claim(claim.Type, claim.Value)), scheme);
    }

    [Theory]
    [InlineData("short", 5, "short")]
    [InlineData("longer", 5, "long…")]
    [InlineData("abc\ud83e\udde7d", 5, "abc…")]
    public void A_cut_text_says_so(string text, int max, string cut) => Assert.Equal(cut, AuditLog.Cut(text, max));

    private static Task<Reply> PauseAsync(ApiHost api, long skuId, string subject) =>
        api.PostAsync($"/api/ops/sales/{skuId}/pause", new TokenIssuer(CheckoutKeys.SigningKey).For(subject, "operator"));

    private async Task<int> CountAsync()
    {
        await using var store = servers.OpenStore();
        return await store.OpsAudit.CountAsync(entry => entry.Action.StartsWith(RefusalLog.Refused), Cancelled);
    }

    /// <summary>The entry, once it has its outcome.</summary>
    private Task<OpsAuditEntry> NewestAsync(string action, string? target = null) => Deadline.UntilAsync(
        async () =>
        {
            await using var store = servers.OpenStore();
            return (await store.OpsAudit.Include(entry => entry.Outcome)
                .Where(entry => entry.Action == action && (target == null || entry.Target == target))
                .OrderByDescending(entry => entry.Id).FirstOrDefaultAsync(Cancelled))!;
        },
        entry => entry?.Outcome is not null,
        Cancelled);
}
