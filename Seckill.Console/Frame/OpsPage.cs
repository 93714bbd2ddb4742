using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Components;
using MudBlazor;
using Seckill.Console.Auth;
using Seckill.Console.Ops;

namespace Seckill.Console.Frame;

/// <summary>
/// A page that asks the Api: one thing at a time, and what goes wrong is said to the operator and not thrown at the circuit.
/// </summary>
public abstract class OpsPage : ComponentBase, IDisposable
{
    /// <summary>
    /// Between two questions of <see cref="RepeatAsync"/> lies at least so many times what the first one took: looking must not become a
    /// load.
    /// </summary>
    private const int PauseTimes = 4;

    private readonly CancellationTokenSource _left = new();

    [Inject]
    protected OpsApi Api { get; set; } = null!;

    [Inject]
    protected ISnackbar Snackbar { get; set; } = null!;

    [Inject]
    protected NavigationManager Navigation { get; set; } = null!;

    /// <summary>While an answer is awaited.</summary>
    protected bool Busy { get; private set; }

    /// <summary>The last failure; null once something has succeeded.</summary>
    protected string? Fault { get; private set; }

    /// <summary>Cancelled when the operator has left the page.</summary>
    protected CancellationToken Left => _left.Token;

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            _left.Cancel();
            _left.Dispose();
        }
    }

    /// <summary>Asks; returns whether it went well. Does nothing while something else is awaited: a double click acts once.</summary>
    /// <param name="ask">What to do; its token ends with the page.</param>
    /// <param name="done">What to tell the operator when it went well.</param>
    protected async Task<bool> TryAsync(Func<CancellationToken, Task> ask, Func<string>? done = null)
    {
        if (Busy)
        {
            return false;
        }

        Busy = true;
        try
        {
            await ask(Left);
            Fault = null;
            if (done is not null)
            {
                Snackbar.Add(done(), Severity.Success);
            }

            return true;
        }
        catch (Exception failure) when (Explain(failure) is { } explanation)
        {
            Fault = explanation;
        }
        finally
        {
            Busy = false;
        }

        return false;
    }

    /// <summary>Says what is wrong with what the operator typed.</summary>
    protected void Complain(string fault) => Fault = fault;

    /// <summary>
    /// Asks again and again while the page is open, never twice at a time; an action of the operator's may run beside it.
    /// </summary>
    /// <param name="everyMs">From an answer to the next question, or longer where answers are slow.</param>
    /// <param name="ask">What to ask.</param>
    /// <param name="say">Gets what went wrong, or null when it went well.</param>
    protected async Task RepeatAsync(int everyMs, Func<CancellationToken, Task> ask, Action<string?> say)
    {
        var left = Left;
        try
        {
            while (true)
            {
                var asked = Stopwatch.GetTimestamp();
                string? fault = null;
                try
                {
                    await ask(left);
                }
                catch (Exception failure) when (Explain(failure) is { } explanation)
                {
                    fault = explanation;
                }

                left.ThrowIfCancellationRequested();
                say(fault);
                StateHasChanged();
                var tookMs = Stopwatch.GetElapsedTime(asked).TotalMilliseconds;
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Max(everyMs, tookMs * PauseTimes)), left);
            }
        }
        catch (OperationCanceledException) when (left.IsCancellationRequested)
        {
            // The operator has gone to another page.
        }
    }

    /// <summary>What to tell the operator; null for a fault of our own, which is thrown on.</summary>
    protected string? Explain(Exception failure)
    {
        if (failure is OpsRefusedException { Status: HttpStatusCode.Unauthorized })
        {
            // Only a request can carry a new cookie, so the whole document is left.
            Navigation.NavigateTo(
                ConsoleLogin.LoginAddress("/" + Navigation.ToBaseRelativePath(Navigation.Uri), LoginFault.RefusedByApi), forceLoad: true);
        }

        return failure switch
        {
            OpsRefusedException refused => refused.Message,
            OperationCanceledException when _left.IsCancellationRequested => "",
            _ when OpsApi.IsNoAnswer(failure) => $"The Api does not answer: {failure.Message}",
            _ => null,
        };
    }
}
