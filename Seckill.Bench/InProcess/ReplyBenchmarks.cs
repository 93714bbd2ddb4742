using BenchmarkDotNet.Attributes;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Bench.InProcess;

/// <summary>Parsing the replies of the two scripts, starting from the client's result.</summary>
public class ReplyBenchmarks
{
    private RedisResult[] _reserved = [];
    private RedisResult _settled = RedisResult.Create(Array.Empty<RedisResult>());

    /// <summary>The size of a full call of either script.</summary>
    [Params(128)]
    public int Orders { get; set; }

    [GlobalSetup]
    public void Prepare()
    {
        // Integers where the scripts return numbers and bulk strings where they return strings, as the client delivers them.
        _reserved =
        [
            RedisResult.Create((RedisValue)TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds()), RedisResult.Create((RedisValue)1),
            RedisResult.Create((RedisValue)1_000), RedisResult.Create((RedisValue)9_000),
            .. SampleOrders.ToPublish(Orders).SelectMany(order => new[] { Text("A"), Text($"{order.Message.OrderId}") }),
        ];
        _settled = RedisResult.Create(Enumerable.Range(0, Orders).Select(_ => Text("A")).ToArray());
    }

    [Benchmark(Description = "read a reply of reserve.lua")]
    public int Reserve() => LedgerReplies.ReserveReplyOf(_reserved, Orders).Results.Length;

    [Benchmark(Description = "read a reply of settle.lua")]
    public int Settle() => LedgerReplies.SettleCodesOf(_settled).Length;

    private static RedisResult Text(string text) => RedisResult.Create((RedisValue)System.Text.Encoding.ASCII.GetBytes(text));
}
