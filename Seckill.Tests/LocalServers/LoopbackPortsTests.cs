namespace Seckill.Tests.LocalServers;

/// <summary>A preferred port is given to one process only, even before anything listens on it.</summary>
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
