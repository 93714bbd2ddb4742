using System.Net;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.OrderWorker;
using Seckill.OrderWorker.Members;

namespace Seckill.Tests.Unit;

/// <summary>The worker's health check for the management plugin's answers.</summary>
[Trait("Category", "Quick")]
public sealed class QueueMembersTests
{
    private const string ThreeNodes =
        """[{"name":"a@x","running":true},{"name":"b@x","running":true},{"name":"c@x","running":false}]""";

    private readonly SetClock _time = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_queue_that_is_older_than_its_cluster_degrades_until_it_has_grown()
    {
        var plugin = new Plugin { Nodes = ThreeNodes, Queue = """{"members":["a@x"]}""" };
        var check = Check(plugin);

        var lacking = await AskAsync(check);
        Assert.Equal(HealthStatus.Degraded, lacking.Status);
        Assert.Contains("order.create.queue lacks 2", lacking.Description, StringComparison.Ordinal);
        Assert.EndsWith(
            """run rabbitmq-queues grow b@x all --vhost-pattern '^my/shop$' --queue-pattern '^order\.create\.'""", lacking.Description,
            StringComparison.Ordinal);
        Assert.Contains("/api/queues/my%2Fshop/order.create.queue", plugin.Asked);
        Assert.Equal("guest:pass%word", plugin.Account);

        plugin.Queue = """{"members":["a@x","b@x","c@x"]}""";
        _time.Move(TimeSpan.FromMilliseconds(QueueMembersHealthCheck.LookEveryMs));
        Assert.Equal(HealthStatus.Healthy, (await AskAsync(check)).Status);
    }

    [Theory]
    [InlineData("""[{"name":"a@x","running":true}]""", """{"members":["a@x"]}""")]
    [InlineData(
        """
        [{"name":"a@x","running":true},{"name":"b@x","running":true},{"name":"c@x","running":true},{"name":"d@x","running":true},
         {"name":"e@x","running":true}]
        """,
        """{"members":["a@x","b@x","c@x"]}""")]
    [InlineData(ThreeNodes, """{"name":"order.create.queue","type":"classic","node":"a@x"}""")]
    [InlineData(ThreeNodes, null)]
    public async Task A_queue_as_the_broker_would_make_it_and_one_that_is_not_there_are_no_trouble(string nodes, string? queue)
    {
        var answer = await AskAsync(Check(new Plugin { Nodes = nodes, Queue = queue }));

        Assert.Equal((HealthStatus.Healthy, null), (answer.Status, answer.Description));
    }

    [Theory]
    [InlineData(HttpStatusCode.Unauthorized)]
    [InlineData(HttpStatusCode.InternalServerError)]
    [InlineData(HttpStatusCode.OK)]
    [InlineData(null)]
    public async Task A_plugin_without_an_answer_is_no_failure(HttpStatusCode? status)
    {
        var plugin = new Plugin { Nodes = "<html>", Status = status };

        var answer = await AskAsync(Check(plugin));

        Assert.Equal(HealthStatus.Healthy, answer.Status);
        Assert.StartsWith("unknown", answer.Description, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_is_asked_without_an_address()
    {
        var plugin = new Plugin { Nodes = ThreeNodes };

        var answer = await AskAsync(Check(plugin, ""));

        Assert.Equal(HealthStatus.Healthy, answer.Status);
        Assert.Empty(plugin.Asked);
    }

    private QueueMembersHealthCheck Check(Plugin plugin, string url = "http://broker:15672/rabbit") => new(
        new ServiceCollection().AddHttpClient(QueueMembersHealthCheck.Name).ConfigurePrimaryHttpMessageHandler(() => plugin).Services
            .BuildServiceProvider().GetRequiredService<IHttpClientFactory>(),
        new ConnectionFactory { VirtualHost = "my/shop", UserName = "guest", Password = "pass%word" },
        Options.Create(new WorkerOptions { ManagementUrl = url }), _time, NullLogger<QueueMembersHealthCheck>.Instance);

    private static Task<HealthCheckResult> AskAsync(QueueMembersHealthCheck check) =>
        check.CheckHealthAsync(new HealthCheckContext(), Cancelled);

    private sealed class Plugin : HttpMessageHandler
    {
        public string Nodes { get; init; } = "[]";

        /// <summary>Null if the queue does not exist.</summary>
        public string? Queue { get; set; }

        /// <summary>Null if the plugin does not answer at all.</summary>
        public HttpStatusCode? Status { get; init; } = HttpStatusCode.OK;

        public List<string> Asked { get; } = [];

        public string? Account { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var path = request.RequestUri!.AbsolutePath;
            Assert.StartsWith("/rabbit/", path, StringComparison.Ordinal);
            path = path["/rabbit".Length..];
            Asked.Add(path);
            Account = Encoding.UTF8.GetString(Convert.FromBase64String(request.Headers.Authorization!.Parameter!));
            var (status, body) = path == "/api/nodes" ? (Status ?? throw new HttpRequestException("refused"), Nodes)
                : Queue is { } queue ? (HttpStatusCode.OK, queue)
                : (HttpStatusCode.NotFound, """{"error":"Object Not Found"}""");
            var content = new StringContent(body, Encoding.UTF8, "application/json");
            return Task.FromResult(new HttpResponseMessage(status) { Content = content });
        }
    }
}
