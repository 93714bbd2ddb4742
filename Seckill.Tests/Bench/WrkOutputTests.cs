using Seckill.Bench.Load;

namespace Seckill.Tests.Bench;

/// <summary>The figures in the output of <c>wrk --latency</c>.</summary>
[Trait("Category", "Quick")]
public sealed class WrkOutputTests
{
    private const string Output = """
        Running 3s test @ http://127.0.0.1:5080
          1 threads and 512 connections
          Thread Stats   Avg      Stdev     Max   +/- Stdev
            Latency    11.34ms    5.34ms  99.70ms   81.22%
            Req/Sec    41.20k     1.10k   43.11k    70.00%
          Latency Distribution
             50%  937.00us
             75%   13.28ms
             90%   17.01ms
             99%    1.02s
          123456 requests in 3.01s, 22.11MB read
          Non-2xx or 3xx responses: 123456
        Requests/sec:  41015.28
        Transfer/sec:      7.35MB
        """;

    [Fact]
    public void Rate_count_and_percentiles_are_read() =>
        Assert.Equal(new WrkResult(41_015.28, 0.937, 1_020, 123_456), WrkResult.Parse(Output));

    [Theory]
    [InlineData("99%")]
    [InlineData("Requests/sec")]
    [InlineData("requests in")]
    public void Output_without_a_figure_is_no_result(string missing) =>
        Assert.Null(WrkResult.Parse(string.Join('\n', Output.Split('\n').Where(line => !line.Contains(missing)))));
}
