using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using MySqlConnector;

namespace Seckill.Tests.AppModel;

/// <summary>
/// The whole application on Aspire and containers. Runs only with SECKILL_TEST_CONTAINERS=1, because it may pull images.
/// </summary>
public sealed class ContainersTests
{
    private const string Switch = "SECKILL_TEST_CONTAINERS";

    /// <summary>Images may have to be pulled first.</summary>
    private const int StartTimeoutMs = 600_000;

    private const int SettleTimeoutMs = 60_000;
    private const int PollMs = 200;

    [Fact]
    public async Task An_order_becomes_a_row_in_MySQL()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable(Switch) == "1", $"{Switch} is not 1");
        Assert.SkipUnless(await IsContainerRuntimeUpAsync(), "no container runtime answers");

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(StartTimeoutMs);
        await using var application = await BuildAsync(deadline.Token);
        await application.StartAsync(deadline.Token);
        await application.ResourceNotifications.WaitForResourceHealthyAsync("api", deadline.Token);

        var warmedUp = await application.Services.GetRequiredService<ResourceCommandService>()
            .ExecuteCommandAsync("api", "warm-up", deadline.Token);
        Assert.True(warmedUp.Success, warmedUp.Message);

        using var client = application.CreateHttpClient("api", "http");
        var login = await PostAsync(client, "/api/demo/login", new { user_id = 7 }, deadline.Token);
        client.DefaultRequestHeaders.Authorization = new("Bearer", login["token"]!.GetValue<string>());

        var order = await PostAsync(client, "/api/seckill/orders", new { sku_id = 1003, quantity = 1 }, deadline.Token);
        Assert.Equal("queued", order["message"]!.GetValue<string>());
        Assert.Equal("SUCCESS", await SettledStatusAsync(client, 1003, deadline.Token));

        var orderId = long.Parse(order["order_id"]!.GetValue<string>(), CultureInfo.InvariantCulture);
        Assert.Equal(1, await CountOrdersAsync(application, orderId, deadline.Token));
    }

    private static async Task<DistributedApplication> BuildAsync(CancellationToken cancellationToken)
    {
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.Seckill_AppHost>(cancellationToken);

        // Tests must not touch a developer's data: every run has servers of its own and discards them.
        foreach (var resource in builder.Resources)
        {
            foreach (var mount in resource.Annotations.OfType<ContainerMountAnnotation>().ToArray())
            {
                resource.Annotations.Remove(mount);
            }
        }

        // Checks fail while servers start, and each failure would be logged with its stack.
        builder.Services.AddLogging(logging => logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None));
        return await builder.BuildAsync(cancellationToken);
    }

    private static async Task<JsonNode> PostAsync(HttpClient client, string path, object body, CancellationToken cancellationToken)
    {
        using var response = await client.PostAsJsonAsync(path, body, cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{path}: {response.StatusCode} {text}");
        return JsonNode.Parse(text)!;
    }

    private static async Task<string> SettledStatusAsync(HttpClient client, long skuId, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(SettleTimeoutMs);
        while (true)
        {
            var answer = await client.GetFromJsonAsync<JsonNode>($"/api/orders/seckill/status?sku_id={skuId}", deadline.Token);
            if (answer!["status"]!.GetValue<string>() is var status and not "PENDING")
            {
                return status;
            }

            await Task.Delay(PollMs, deadline.Token);
        }
    }

    private static async Task<long> CountOrdersAsync(DistributedApplication application, long orderId, CancellationToken cancellationToken)
    {
        await using var connection = new MySqlConnection(await application.GetConnectionStringAsync("mysql", cancellationToken));
        await connection.OpenAsync(cancellationToken);
        await using var command = new MySqlCommand("SELECT COUNT(*) FROM orders WHERE id = @id", connection);
        command.Parameters.AddWithValue("@id", orderId);
        return Convert.ToInt64(await command.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture);
    }

    private static async Task<bool> IsContainerRuntimeUpAsync()
    {
        var runtime = Environment.GetEnvironmentVariable("ASPIRE_CONTAINER_RUNTIME") ?? "docker";
        try
        {
            using var process = Process.Start(
                new ProcessStartInfo(runtime, "info") { RedirectStandardOutput = true, RedirectStandardError = true });
            await process!.WaitForExitAsync(TestContext.Current.CancellationToken);
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // not installed
        }
    }
}
