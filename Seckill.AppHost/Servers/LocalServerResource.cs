using Seckill.LocalServers;

namespace Seckill.AppHost.Servers;

/// <summary>A server that is a process on this machine, for a run without containers.</summary>
/// <param name="name">Name of the resource and of the connection.</param>
/// <param name="start">Starts the server and returns once it answers.</param>
internal sealed class LocalServerResource(string name, Func<CancellationToken, Task<LocalServer>> start)
    : Resource(name), IResourceWithConnectionString
{
    private readonly TaskCompletionSource<LocalServer> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the server answers for the first time; faulted when it could not be started.</summary>
    public Task<LocalServer> Started => _started.Task;

    public ReferenceExpression ConnectionStringExpression => ReferenceExpression.Create($"{new StartedValue(this)}");

    /// <exception cref="LocalServerException">It did not start; <see cref="Started"/> has the same exception.</exception>
    public async Task<LocalServer> StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            var server = await start(cancellationToken);
            _started.SetResult(server);
            return server;
        }
        catch (OperationCanceledException)
        {
            _started.SetCanceled(CancellationToken.None);
            throw;
        }
        catch (Exception failure)
        {
            _started.SetException(failure);
            throw;
        }
    }

    private sealed class StartedValue(LocalServerResource resource) : IValueProvider, IManifestExpressionProvider
    {
        public string ValueExpression => $"{{{resource.Name}.connectionString}}";

        public async ValueTask<string?> GetValueAsync(CancellationToken cancellationToken) =>
            (await resource.Started.WaitAsync(cancellationToken)).ConnectionString;
    }
}
