using Seckill.Api.MissingOrders;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Unit;

/// <summary>What a load was allowed for, against what it finds under the row lock.</summary>
[Trait("Category", "Quick")]
public sealed class LoadClearanceTests
{
    private const string Server = "db1|3306|1";

    private static readonly LoadId Load = new(4, 17);

    /// <param name="allowedRise">Null when Redis's counter cannot be compared.</param>
    /// <param name="rise">The same under the lock, where MySQL's stock is <paramref name="stock"/>; it was 10.</param>
    /// <param name="stock">See <paramref name="rise"/>.</param>
    /// <param name="server">The server that has the lock.</param>
    /// <param name="covered">Whether the load may go ahead.</param>
    [Theory]
    [InlineData(0L, 0L, 10, Server, true)]
    [InlineData(0L, 1L, 10, Server, false)]
    [InlineData(3L, 2L, 10, Server, true)]
    [InlineData(3L, 2L, 10, "db2|3306|2", false)]
    [InlineData(3L, 0L, 10, "db2|3306|2", true)]
    [InlineData(null, null, 9, Server, true)]
    [InlineData(null, null, 11, Server, false)]
    [InlineData(null, null, 9, "db2|3306|2", false)]
    [InlineData(0L, null, 9, Server, false)]
    public void A_load_is_covered_only_by_the_same_servers_numbers(
        long? allowedRise, long? rise, long stock, string server, bool covered) =>
        Assert.Equal(
            covered, new LoadClearance(Load, 10, allowedRise, Server).Covers(new LoadClearance(Load, stock, rise, server)));

    [Fact]
    public void Another_load_and_one_that_was_not_due_cover_nothing()
    {
        var found = new LoadClearance(Load, 10, 1, Server);

        Assert.False(new LoadClearance(new LoadId(3, 16), 10, 1, Server).Covers(found));
        Assert.False(default(LoadClearance).Covers(found));
    }
}
