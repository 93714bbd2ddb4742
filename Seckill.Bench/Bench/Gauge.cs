using System.Globalization;

namespace Seckill.Bench.Bench;

/// <summary>Resources a process used between two readings: CPU time from the kernel, allocations from the Api's own endpoint.</summary>
internal sealed class Gauge
{
    /// <summary>The kernel's unit of processor time in /proc, fixed on Linux.</summary>
    private const double TicksPerSecond = 100;

    private readonly LocalService _service;
    private readonly double _cpuSeconds;
    private readonly long? _allocatedBytes;

    private Gauge(LocalService service, double cpuSeconds, long? allocatedBytes) =>
        (_service, _cpuSeconds, _allocatedBytes) = (service, cpuSeconds, allocatedBytes);

    public static async Task<Gauge> StartAsync(LocalService service, bool withAllocations, CancellationToken cancellationToken) =>
        new(service, CpuSecondsOf(service.ProcessId), withAllocations ? await AllocatedAsync(service, cancellationToken) : null);

    /// <summary>Adds the cost of each of <paramref name="count"/> requests or orders to the measurement.</summary>
    public async Task<Measurement> AddToAsync(Measurement measurement, long count, CancellationToken cancellationToken) => measurement with
    {
        CpuUs = (CpuSecondsOf(_service.ProcessId) - _cpuSeconds) * 1e6 / count,
        AllocatedBytes =
            _allocatedBytes is { } before ? (double)(await AllocatedAsync(_service, cancellationToken) - before) / count : null,
    };

    /// <summary>Resident memory, MiB.</summary>
    public static double ResidentMiB(int processId) =>
        long.Parse(File.ReadAllText($"/proc/{processId}/statm").Split(' ')[1], CultureInfo.InvariantCulture)
            * Environment.SystemPageSize / 1024.0 / 1024.0;

    /// <summary>Processor time of the process so far, s.</summary>
    public static double CpuSecondsOf(int processId)
    {
        // The name in brackets may contain anything; user and system time are the 12th and 13th after it.
        var stat = File.ReadAllText($"/proc/{processId}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        var ticks = long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
        return ticks / TicksPerSecond;
    }

    private static async Task<long> AllocatedAsync(LocalService service, CancellationToken cancellationToken)
    {
        using var http = new HttpClient();
        return long.Parse(
            await http.GetStringAsync(new Uri(service.Url + "/api/yardstick/allocated-bytes"), cancellationToken),
            CultureInfo.InvariantCulture);
    }
}
