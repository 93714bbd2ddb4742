namespace Seckill.Tests.LocalServers;

/// <summary>A checkout may be in any folder, and so may the data of the private servers.</summary>
public sealed class AwkwardFolderTests : IDisposable
{
    private readonly DirectoryInfo _parent = Directory.CreateTempSubdirectory("seckill-folder-");

    // Lets servers under accounts of their own reach the folder.
    public AwkwardFolderTests() => PrivateFile.MakeFolder(_parent.FullName);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _parent.Delete(recursive: true);

    [Fact]
    public async Task A_folder_that_RabbitMQ_would_hang_at_is_refused()
    {
        var folder = Path.Combine(_parent.FullName, "it's");
        var refusal = await Assert.ThrowsAsync<LocalServerException>(
            () => RabbitMqServer.StartAsync(new RabbitMqServerOptions { DataFolder = folder }, Cancelled));
        Assert.StartsWith(
            $"rabbitmq: {folder} contains a character that RabbitMQ passes to a shell", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("with two spaces")]
    [InlineData("flash sale #1 = 100% 秒杀")]
    public async Task Every_private_server_starts_in_it_and_starts_again_on_its_data(string name)
    {
        var folder = Path.Combine(_parent.FullName, name);
        await using var redis = await RedisServer.StartAsync(
            new RedisServerOptions { DataFolder = Path.Combine(folder, "redis") }, Cancelled);
        await using var mySql = await MySqlServer.StartAsync(
            new MySqlServerOptions { DataFolder = Path.Combine(folder, "mysql") }, Cancelled);
        await using var rabbitMq = await RabbitMqServer.StartAsync(
            new RabbitMqServerOptions { DataFolder = Path.Combine(folder, "rabbitmq"), VirtualHosts = ["shop"] }, Cancelled);
        foreach (var server in new LocalServer[] { redis, mySql, rabbitMq })
        {
            server.Kill();
            await server.RestartAsync(Cancelled);
            await server.CheckAsync(Cancelled);
        }
    }
}
