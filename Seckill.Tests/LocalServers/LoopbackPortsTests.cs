namespace Seckill.Tests.LocalServers;

/// <summary>A port is given to one process only, even before anything listens on it.</summary>
[Trait("Category", "Quick")]
public sealed class LoopbackPortsTests : IDisposable
{
    // Below the random ports, and below those of outgoing connections.
    private static int _lastPort = 17_000;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("seckill-ports-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_port_that_another_holder_has_locked_is_not_handed_out()
    {
        var port = FreePort();
        using var others = new PortLocks(_folder.FullName);
        using var ours = new PortLocks(_folder.FullName);
        Assert.True(others.TryTake(port));

        Assert.NotEqual(port, LoopbackPorts.Prefer(port, ours));
    }

    [Fact]
    public void A_port_is_handed_out_once_its_holder_has_gone()
    {
        var port = FreePort();
        using (var others = new PortLocks(_folder.FullName))
        {
            Assert.True(others.TryTake(port));
        }

        using var ours = new PortLocks(_folder.FullName);
        Assert.Equal(port, LoopbackPorts.Prefer(port, ours));
    }

    [Fact]
    public void Without_a_folder_for_locks_a_free_port_is_handed_out()
    {
        var file = Path.Combine(_folder.FullName, "file");
        File.WriteAllText(file, "");
        var port = FreePort();
        using var locks = new PortLocks(Path.Combine(file, "ports"));

        Assert.Equal(port, LoopbackPorts.Prefer(port, locks));
    }

    [Fact]
    public void Random_ports_of_two_holders_are_different_and_a_third_one_gets_all_that_are_left()
    {
        using var locks = new PortLocks(_folder.FullName);
        using var otherLocks = new PortLocks(_folder.FullName);
        var (blocks, others) = (new PortBlocks(locks), new PortBlocks(otherLocks));
        const int Half = (PortBlocks.End - PortBlocks.First) / 2;
        var taken = Take(blocks, Half).Concat(Take(others, Half)).ToHashSet();
        Assert.Equal(2 * Half, taken.Count);
        Assert.Equal((PortBlocks.First, PortBlocks.End - 1), (taken.Min(), taken.Max()));

        using var thirdLocks = new PortLocks(_folder.FullName);
        var third = new PortBlocks(thirdLocks);
        Assert.Equal(2 * Half, Take(third, 2 * Half).Distinct().Count());
        Assert.Null(third.Next());
    }

    private static IEnumerable<int> Take(PortBlocks blocks, int count) => Enumerable.Range(0, count).Select(_ => blocks.Next()!.Value);

    /// <summary>One that <see cref="LoopbackPorts"/> has not handed out.</summary>
    private static int FreePort()
    {
        do
        {
            _lastPort++;
        }
        while (!LoopbackPorts.IsFree(_lastPort));

        return _lastPort;
    }
}
