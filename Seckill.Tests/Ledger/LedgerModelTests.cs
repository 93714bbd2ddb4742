using CsCheck;
using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Ledger;

/// <summary>
/// Random histories against the reference model. A failure prints the seed and the shortest history found; run it again with the
/// environment variable <c>CsCheck_Seed</c>, and longer with <c>CsCheck_Iter</c> or <c>CsCheck_Time</c>.
/// </summary>
public sealed class LedgerModelTests(RedisFixture redis) : IClassFixture<RedisFixture>
{
    private const int Histories = 2_000;

    /// <summary>More than the number of cores: a history mostly waits for Redis, and concurrent calls are pipelined.</summary>
    private const int HistoriesAtOnce = 8;

    /// <summary>A maximum: a run ends at the first history that shows the fault, and some faults take hundreds.</summary>
    private const int HistoriesForMutants = 2_000;

    [Fact]
    public Task The_scripts_do_what_the_model_says() => LedgerStep.History.SampleAsync(
        history => LedgerMachine.RunAsync(redis.Connection, LedgerScripts.Load(), history, TestContext.Current.CancellationToken),
        iter: Math.Max(Histories, Check.Iter),
        threads: HistoriesAtOnce,
        print: LedgerStep.Print);

    /// <summary>Script, what is wrong with it, the right text, the wrong text.</summary>
    public static TheoryData<string, string, string, string> Mutants { get; } = new()
    {
        { "reserve", "sells one too many", "stock - taken < qty", "stock - taken < qty - 1" },
        { "reserve", "stops one too early", "stock - taken < qty", "stock - taken <= qty" },
        { "reserve", "forgets what this very call took", "stock - taken < qty", "stock < qty" },
        { "reserve", "forgets the click", "if click[clicks[i]] then", "if false then" },
        { "reserve", "forgets a click of this very call", "click[clicks[i]] = id\n", "\n" },
        { "reserve", "limit is one too high", "had + qty > limit", "had + qty > limit + 1" },
        {
            "reserve", "limit does not count this very call",
            "buyer[user] = write_buyer(had + qty, id)\n    newBuyers[#newBuyers + 1] = user; newBuyers[#newBuyers + 1] = buyer[user]",
            "newBuyers[#newBuyers + 1] = user; newBuyers[#newBuyers + 1] = write_buyer(had + qty, id)"
        },
        { "reserve", "sells while paused", "sale[5] == '1'", "sale[5] == '9'" },
        { "reserve", "writes no outbox record", "redis.call('ZADD', KEYS[6], unpack(newOutbox))", "" },
        { "reserve", "does not count what it holds", "held + taken", "held" },
        { "settle", "gives back what another counter gave", "held = tonumber(e) == epoch", "held = true" },
        { "settle", "gives back on every repeat", "if done[id] or (record and not is_pending(record)) then", "if false then" },
        { "settle", "gives back twice in one call", "if done[id] or (record", "if (record" },
        { "settle", "never gives back", "delta = delta + qty", "delta = delta" },
        { "settle", "gives back to a counter that never gave", "elseif held then", "else" },
        { "settle", "deducts what the load has counted", "if committed == epoch and not held", "if not held" },
        { "settle", "does not deduct what came after the load", "delta = delta - qty", "delta = delta" },
        { "settle", "deducts another producer's order", "and sent >= 0", "" },
        { "settle", "keeps holding what is settled", "released = released + qty", "released = released" },
        { "settle", "keeps a failed order in the buyer's limit", "if record and not deducted then", "if false then" },
        { "settle", "leaves the outbox record", "redis.call('ZREM', KEYS[6], unpack(gone))", "" },
        { "settle", "leaves in the outbox what was settled before", "reply[i] = 'B'\n    gone[#gone + 1] = id", "reply[i] = 'B'" },
        { "settle", "settles another buyer's order", "elseif record and u ~= user then", "elseif false then" },
        { "settle", "takes another buyer's order out of the outbox", "unpack(gone)", "unpack(ids)" },
        { "warm", "loads over a running counter", "if not stock or", "if true or" },
        { "warm", "trusts a load that died half-way", "epoch ~= tonumber(ARGV[2]) or load ~= ARGV[3] or", "" },
        { "warm", "takes loads with the same number for the same", "or load ~= ARGV[3] or", "or" },
        { "warm", "keeps the token of the load before", "'load', ARGV[4], ", "" },
        { "warm", "keeps the epoch", "math.max(epoch or 0, tonumber(ARGV[2])) + 1", "math.max(epoch or 0, tonumber(ARGV[2]))" },
        { "warm", "keeps what the lost counter held", "'load', ARGV[4], 'held', held", "'load', ARGV[4]" },
        { "warm", "sells what is under way", "tonumber(ARGV[1]) - held", "tonumber(ARGV[1])" },
        { "warm", "deducts twice what MySQL has decided", "decided[ARGV[i]] = true", "" },
        { "warm", "leaves what is under way to the old counter", "write_pending(qty, user, epoch,", "write_pending(qty, user, epoch - 1," },
        { "warm", "leaves the gate closed", "'closed', 0", "'closed', 1" },
        { "warm", "keeps a closed gate's counter", "or is_shut(sale[3]) or", "or" },
        { "warm", "does not load again what it is told to", " or ARGV[12] == '1'", "" },
        {
            "restore", "leaves alone whom Redis knows", "if not exact then units = math.max(units, tonumber(had or 0)) end",
            "units = tonumber(had or units)"
        },
        { "restore", "forgets what MySQL does not know yet", "units = units + tonumber(quantity)", "units = units" },
        { "restore", "gives back no more than MySQL has", "if record and is_pending(record) then", "if false then" },
        { "restore", "takes an older order for the newest", "newest = newer(last or '', newest)", "newest = last or newest" },
        { "reserve", "sells while the gate is closed", "or is_shut(sale[9])", "" },
        {
            "settle", "counts twice for the buyer what came back with the load", "deducted and is_new(committed) then units",
            "deducted then units"
        },
        {
            "settle", "goes by the counter's epoch for what is new to the buyer", "return committed > counted", "return committed == epoch"
        },
        { "settle", "does not count for the buyer what came after the load", "return committed > counted", "return false" },
        { "restore", "does not note up to when buyers have all", "redis.call('HSET', KEYS[2], 'counted', ARGV[2])", "" },
        { "warm", "loads on another server than it was decided on", "or ARGV[13] == server", "or true" },
    };

    [Theory]
    [MemberData(nameof(Mutants))]
    public async Task A_wrong_script_is_found(string script, string fault, string right, string wrong)
    {
        var scripts = LedgerScripts.Load();
        string Mutate(string name, string text)
        {
            if (name != script)
            {
                return text;
            }

            Assert.Contains(right, text, StringComparison.Ordinal);
            return text.Replace(right, wrong, StringComparison.Ordinal);
        }

        var mutant = new LedgerScripts(
            new(Mutate("reserve", scripts.Reserve.Text)), new(Mutate("settle", scripts.Settle.Text)),
            new(Mutate("warm", scripts.Warm.Text)), scripts.Due, new(Mutate("restore", scripts.Restore.Text)));
        // The first history that distinguishes the mutant from the model is enough: shrinking it would be wasted.
        Exception? found = null;
        await LedgerStep.History.SampleAsync(
            async history =>
            {
                if (Volatile.Read(ref found) is null)
                {
                    found = await Record.ExceptionAsync(() =>
                        LedgerMachine.RunAsync(redis.Connection, mutant, history, TestContext.Current.CancellationToken)) ?? found;
                }
            },
            iter: HistoriesForMutants);
        // A Redis that was away would prove nothing.
        Assert.True(
            found is not (null or OperationCanceledException or RedisConnectionException or RedisTimeoutException),
            $"{script}.lua that {fault} went unnoticed: {found}");
    }
}
