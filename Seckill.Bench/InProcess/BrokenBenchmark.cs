using BenchmarkDotNet.Attributes;

namespace Seckill.Bench.InProcess;

/// <summary>Planted on demand: a benchmark that throws must be an error, not a missing line.</summary>
public class BrokenBenchmark
{
    [Benchmark]
    public int Throw() => throw new NotSupportedException();
}
