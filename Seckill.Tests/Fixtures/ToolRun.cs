using System.Collections.Concurrent;

namespace Seckill.Tests.Fixtures;

/// <summary>Runs a program to its end, or kills it after a time-out.</summary>
internal static class ToolRun
{
    /// <summary>Returns the program's output.</summary>
    /// <exception cref="InvalidOperationException">It failed although it had to succeed.</exception>
    /// <exception cref="TimeoutException">It took too long.</exception>
    public static async Task<string> RunAsync(ChildCommand command, int timeoutMs, bool mustSucceed, CancellationToken cancellationToken)
    {
        var name = command.Arguments[0];
        var printed = new ConcurrentQueue<string>();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(timeoutMs);
        using var process = await ChildProcess.StartAsync(command with { OnLine = printed.Enqueue });
        try
        {
            var exit = await process.Exited.WaitAsync(deadline.Token);
            var text = string.Join('\n', printed);
            return exit == 0 || !mustSucceed ? text : throw new InvalidOperationException($"{name} ended with {exit}:\n{text}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"{name} took longer than {timeoutMs} ms; it has printed:\n{string.Join('\n', printed)}");
        }
        finally
        {
            process.Kill();
        }
    }
}
