namespace Seckill.Tests.Operations;

/// <summary>
/// One Api for the tests of a class that neither change its settings nor stop it: an Api takes longer to start than most tests take to run.
/// </summary>
public sealed class ClassApi(OperationsFixture servers) : IAsyncDisposable
{
    public ApiHost Host { get; } = servers.StartApi();

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}
