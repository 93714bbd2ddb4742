using Seckill.Ordering.Ledger;
using StackExchange.Redis;

namespace Seckill.Tests.Unit;

/// <summary>Error messages of real servers: Redis 7 and 8, and 6 where it differs.</summary>
[Trait("Category", "Quick")]
public sealed class RedisRefusalsTests
{
    private const string OldPlace = "ERR Error running script (call to f_8f0a): @user_script:12: ";
    private const string Place = " script: 8f0ad9f0a6a0ed0ea2b5e6a3b5d8f9a3c1c7f3d2, on @user_script:12.";

    [Theory]
    [InlineData("WRONGTYPE Operation against a key holding the wrong kind of value")]
    [InlineData("WRONGTYPE Operation against a key holding the wrong kind of value" + Place)]
    [InlineData(OldPlace + "WRONGTYPE Operation against a key holding the wrong kind of value")]
    [InlineData("ERR value is not an integer or out of range" + Place)]
    [InlineData("ERR hash value is not an integer" + Place)]
    [InlineData("ERR value is not an integer: held of {stock:sku:1}:sale" + Place)]
    [InlineData(OldPlace + "@user_script:12: value is not an integer: held of {stock:sku:1}:sale")]
    [InlineData("ERR value is not a valid float" + Place)]
    [InlineData("ERR hash value is not a float" + Place)]
    [InlineData("ERR increment or decrement would overflow" + Place)]
    [InlineData("ERR user_script:12: attempt to perform arithmetic on a nil value" + Place)]
    [InlineData("ERR user_script:12: attempt to compare number with nil" + Place)]
    [InlineData("ERR user_script:12: bad argument #1 to 'match' (string expected, got nil)" + Place)]
    [InlineData(OldPlace + "user_script:12: attempt to compare number with nil")]
    public void The_stored_data_is_to_blame(string error) =>
        Assert.True(RedisRefusals.IsAboutStoredData(new RedisServerException(error)));

    [Theory]
    [InlineData("OOM command not allowed when used memory > 'maxmemory'.")]
    [InlineData("OOM command not allowed when used memory > 'maxmemory'." + Place)]
    [InlineData("OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'")]
    [InlineData(OldPlace + "@user_script: 12: -OOM command not allowed when used memory > 'maxmemory'.")]
    [InlineData("LOADING Redis is loading the dataset in memory")]
    [InlineData("TRYAGAIN Multiple keys request during rehashing of slot")]
    [InlineData("CLUSTERDOWN The cluster is down")]
    [InlineData("CLUSTERDOWN Hash slot not served")]
    [InlineData("MOVED 866 127.0.0.1:7001")]
    [InlineData("ASK 866 127.0.0.1:7002")]
    [InlineData("CROSSSLOT Keys in request don't hash to the same slot")]
    [InlineData("ERR Script attempted to access a non local key in a cluster node" + Place)]
    [InlineData("READONLY You can't write against a read only replica.")]
    [InlineData("READONLY You can't write against a read only replica." + Place)]
    [InlineData("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")]
    [InlineData("NOREPLICAS Not enough good replicas to write." + Place)]
    [InlineData("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")]
    [InlineData("MISCONF Errors writing to the AOF file: No space left on device" + Place)]
    [InlineData("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk." + Place)]
    [InlineData("NOSCRIPT No matching script. Please use EVAL.")]
    [InlineData("NOAUTH Authentication required.")]
    [InlineData("NOPERM User seckill has no permissions to run the 'evalsha' command")]
    [InlineData("ERR max number of clients reached")]
    [InlineData(OldPlace + "Script killed by user with SCRIPT KILL...")]
    [InlineData("ERR something that nobody has met yet")]
    public void The_server_is_to_blame(string error) =>
        Assert.False(RedisRefusals.IsAboutStoredData(new RedisServerException(error)));

    [Fact]
    public void So_is_one_that_does_not_answer()
    {
        Assert.False(RedisRefusals.IsAboutStoredData(new RedisConnectionException(ConnectionFailureType.SocketFailure, "gone")));
        Assert.False(RedisRefusals.IsAboutStoredData(new RedisTimeoutException("late", CommandStatus.Sent)));
    }

    [Fact]
    public void An_answer_that_is_none_of_our_scripts_comes_from_what_is_stored()
    {
        Assert.True(RedisRefusals.IsAboutStoredData(new FormatException("no record")));
        Assert.True(RedisRefusals.IsAboutStoredData(new UnreadableKeysException(1, new InvalidCastException())));
    }
}
