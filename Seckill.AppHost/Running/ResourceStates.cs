using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Seckill.AppHost.Running;

/// <summary>The state of each watched resource according to its last notification. One thread writes it; all may read it.</summary>
internal sealed class ResourceStates(RunParts parts)
{
    /// <summary>This process's key in <see cref="Processes"/>.</summary>
    public const string AppHost = "apphost";

    private static readonly string[] PidProperties = ["executable.pid", "project.pid", "server.pid"];

    private readonly ConcurrentDictionary<string, ResourceEvent> _latest = new(StringComparer.Ordinal);

    /// <summary>True when every replica of every application is running and healthy.</summary>
    public bool AllHealthy => parts.Services.All(service => _latest.Values.Count(latest =>
        latest.Resource.Name == service.Name && latest.Snapshot.HealthStatus == HealthStatus.Healthy) >= service.GetReplicaCount());

    /// <summary>Process ids by resource; from the second replica on, a number follows the name.</summary>
    public IReadOnlyDictionary<string, int> Processes
    {
        get
        {
            var processes = new SortedDictionary<string, int>(StringComparer.Ordinal) { [AppHost] = Environment.ProcessId };
            foreach (var latest in _latest.OrderBy(entry => entry.Key, StringComparer.Ordinal).Select(entry => entry.Value))
            {
                if (IsRunning(latest) && ProcessId(latest.Snapshot) is { } started)
                {
                    var processId = ServingProcess.Of(started);
                    var name = latest.Resource.Name;
                    for (var replica = 2; !processes.TryAdd(name, processId); replica++)
                    {
                        name = string.Create(CultureInfo.InvariantCulture, $"{latest.Resource.Name}-{replica}");
                    }
                }
            }

            return processes;
        }
    }

    /// <summary>True when this notification makes the resource healthy. Call it before <see cref="Take"/>.</summary>
    public bool BecomesHealthy(ResourceEvent notification) =>
        notification.Snapshot.HealthStatus == HealthStatus.Healthy && IsRunning(notification)
        && !(_latest.TryGetValue(notification.ResourceId, out var before)
            && before.Snapshot.HealthStatus == HealthStatus.Healthy
            && IsRunning(before));

    /// <summary>Records a notification.</summary>
    /// <returns>True when it reports that the resource has just ended.</returns>
    public bool Take(ResourceEvent notification)
    {
        var hadEnded = _latest.TryGetValue(notification.ResourceId, out var before) && HasEnded(before);
        _latest[notification.ResourceId] = notification;
        return !hadEnded && HasEnded(notification);
    }

    /// <summary>Names and states of resources that are not up yet, for the terminal.</summary>
    public string Missing() => string.Join(", ", _latest.Values
        .Where(latest => latest.Snapshot.HealthStatus != HealthStatus.Healthy)
        .Select(latest => $"{latest.Resource.Name} is {latest.Snapshot.State?.Text ?? "unknown"}"));

    /// <summary>The process that Aspire has started for the resource; null if there is none, or none yet.</summary>
    public static int? ProcessId(CustomResourceSnapshot snapshot) => snapshot.Properties
        .Where(property => PidProperties.Contains(property.Name))
        .Select(property => property.Value as int?)
        .FirstOrDefault(processId => processId is not null);

    private static bool IsRunning(ResourceEvent latest) => latest.Snapshot.State?.Text == KnownResourceStates.Running;

    private static bool HasEnded(ResourceEvent latest) =>
        latest.Snapshot.State?.Text is { } state
        && (KnownResourceStates.TerminalStates.Contains(state) || state == KnownResourceStates.RuntimeUnhealthy);
}
