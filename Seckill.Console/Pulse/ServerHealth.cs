namespace Seckill.Console.Pulse;

/// <summary>One of the three servers as seen by the reporting instances.</summary>
/// <param name="Server">Its name.</param>
/// <param name="Reached">Whether all of them reach it; null while none reports.</param>
/// <param name="Complaints">The complaints, with the instance's name.</param>
public sealed record ServerHealth(string Server, bool? Reached, IReadOnlyList<string> Complaints)
{
    /// <summary>By the names of the instances' health checks.</summary>
    private static readonly (string Server, string Check)[] Servers =
    [
        ("Redis", "StackExchange.Redis:"), ("RabbitMQ", "RabbitMQ.Client:"), ("MySQL", "OrderingDbContext:"),
    ];

    public static IReadOnlyList<ServerHealth> Of(IReadOnlyList<LiveInstance> instances)
    {
        var heard = instances.Where(instance => !instance.Gone).ToArray();
        return [.. Servers.Select(server =>
        {
            string[] complaints =
            [
                .. heard.SelectMany(instance => instance.Complaints
                    .Where(complaint => complaint.StartsWith(server.Check, StringComparison.Ordinal))
                    .Select(complaint => $"{instance.Instance}:{complaint[server.Check.Length..]}")),
            ];
            return new ServerHealth(server.Server, heard.Length == 0 ? null : complaints.Length == 0, complaints);
        })];
    }
}
