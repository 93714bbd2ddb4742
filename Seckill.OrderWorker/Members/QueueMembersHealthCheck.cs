using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using Seckill.Ordering.Contract;

namespace Seckill.OrderWorker.Members;

/// <summary>
/// Checks whether each of our queues has the members that the broker would give it if it were declared now. A quorum queue keeps the
/// members from its declaration: a queue that is older than its cluster has a single one, and stops when that node dies. AMQP does not
/// report members, so this queries the management plugin if <see cref="WorkerOptions.ManagementUrl"/> is set. Degraded rather than
/// unhealthy: nothing is lost yet. An unreachable plugin is not a failure.
/// </summary>
internal sealed partial class QueueMembersHealthCheck(
    IHttpClientFactory clients, IConnectionFactory broker, IOptions<WorkerOptions> options, TimeProvider time,
    ILogger<QueueMembersHealthCheck> logger) : IHealthCheck
{
    public const string Name = "queue members";

    /// <summary>Longest delay before a change at the broker shows here, ms; health is checked more often.</summary>
    public const int LookEveryMs = 15_000;

    /// <summary>Below the time-out of the health checks' loop.</summary>
    private const int LookTimeoutMs = 1_500;

    /// <summary>Members that the broker gives a new queue by default, if there are that many nodes.</summary>
    private const int GroupSize = 3;

    private static readonly string[] Queues = [OrderTopology.Queue, OrderTopology.ParkedQueue, OrderTopology.DeadLetterQueue];

    private HealthCheckResult _last = HealthCheckResult.Healthy("not known: Worker:ManagementUrl is not set");
    private long? _lookedAt;

    /// <summary>Not thread-safe: the health checks' loop makes one call at a time.</summary>
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (options.Value.ManagementUrl is { Length: > 0 } url
            && (_lookedAt is not { } at || time.GetElapsedTime(at).TotalMilliseconds >= LookEveryMs))
        {
            _lookedAt = time.GetTimestamp();
            var result = await LookAsync(new Uri(url), cancellationToken);
            if (result.Description is { } trouble && trouble != _last.Description)
            {
                LogTrouble(trouble);
            }

            _last = result;
        }

        return _last;
    }

    private async Task<HealthCheckResult> LookAsync(Uri url, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(LookTimeoutMs);
        try
        {
            using var http = clients.CreateClient(Name);
            http.BaseAddress = new UriBuilder(url) { UserName = "", Password = "", Path = url.AbsolutePath.TrimEnd('/') + "/" }.Uri;
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", AccountOf(url));
            var nodes = await http.GetFromJsonAsync<Node[]>("api/nodes?columns=name,running", deadline.Token) ?? [];
            var lacks = new List<string>();
            var growOn = new SortedSet<string>(StringComparer.Ordinal);
            foreach (var queue in Queues)
            {
                // Only quorum queues have members.
                var members = await MembersAsync(http, queue, deadline.Token);
                var lacking = members.Count == 0 ? 0 : Math.Min(nodes.Length, GroupSize) - members.Count;
                if (lacking > 0)
                {
                    lacks.Add($"{queue} lacks {lacking}");
                    growOn.UnionWith(nodes.Where(node => node.Running && !members.Contains(node.Name)).Take(lacking)
                        .Select(node => node.Name));
                }
            }

            return lacks.Count == 0 ? HealthCheckResult.Healthy() : HealthCheckResult.Degraded(
                $"quorum queues have fewer members than the {nodes.Length} nodes allow, and may stop with one node: "
                    + $"{string.Join(", ", lacks)}; run {string.Join("; ", growOn.Select(GrowCommand))}");
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            return HealthCheckResult.Healthy($"unknown: the management plugin gave no usable answer: {exception.Message}");
        }
    }

    private async Task<IReadOnlyCollection<string>> MembersAsync(HttpClient http, string queue, CancellationToken cancellationToken)
    {
        try
        {
            var found = await http.GetFromJsonAsync<Queue>(
                $"api/queues/{Uri.EscapeDataString(broker.VirtualHost)}/{queue}", cancellationToken);
            return found?.Members ?? [];
        }
        catch (HttpRequestException exception) when (exception.StatusCode == HttpStatusCode.NotFound)
        {
            // The queue is not declared yet.
            return [];
        }
    }

    /// <summary>The account of the broker's connection, unless the address names another.</summary>
    private string AccountOf(Uri url) => Convert.ToBase64String(Encoding.UTF8.GetBytes(
        url.UserInfo.Length > 0 ? Uri.UnescapeDataString(url.UserInfo) : $"{broker.UserName}:{broker.Password}"));

    private string GrowCommand(string node) =>
        $"rabbitmq-queues grow {node} all --vhost-pattern '^{Regex.Escape(broker.VirtualHost)}$' --queue-pattern '^order\\.create\\.'";

    [LoggerMessage(Level = LogLevel.Warning, Message = "Members of the broker's queues: {Trouble}")]
    private partial void LogTrouble(string trouble);

    private sealed record Node(string Name, bool Running);

    private sealed record Queue(IReadOnlyList<string>? Members);
}
