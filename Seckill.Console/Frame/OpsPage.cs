using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Components;
using MudBlazor;
using Seckill.Console.Auth;
using Seckill.Console.Ops;

namespace Seckill.Console.Frame;

/// <summary>
/// A page that calls the Api: one call at a time; failures are shown to the operator and do not break the circuit.
/// </summary>
public abstract class OpsPage : ComponentBase, IDisposable
{
    /// <summary>
    /// The pause between two calls of <see cref="RepeatAsync"/> is at least this many times the duration of the last successful call:
    /// polling must not become a load.
    /// </summary>
    private const int PauseTimes = 4;

    private readonly CancellationTokenSource _left = new();

    protected OpsPage() => Left = _left.Token;

    [Inject]
    protected OpsApi Api { get; set; } = null!;

    [Inject]
    protected ISnackbar Snackbar { get; set; } = null!;

    [Inject]
    protected NavigationManager Navigation { get; set; } = null!;

    /// <summary>True while a call is under way.</summary>
    protected bool Busy { get; private set; }

    /// <summary>The last failure; null after a success.</summary>
    protected string? Fault { get; private set; }

    /// <summary>Cancelled when the operator leaves the page.</summary>
    protected CancellationToken Left { get; }

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

    /// <summary>Makes a call that changes nothing; returns whether it succeeded. Does nothing while another is under way.</summary>
    /// <param name="ask">The call; its token is cancelled with the page.</param>
    protected Task<bool> TryAsync(Func<CancellationToken, Task> ask) => TryAsync(ask, Explain);

    /// <summary>
    /// Makes a call that changes something; returns whether it succeeded. Does nothing while another is under way: a double click acts
    /// once.
    /// </summary>
    /// <param name="act">The call; its token is cancelled with the page.</param>
    /// <param name="done">The message to show on success.</param>
    protected async Task<bool> ActAsync(Func<CancellationToken, Task> act, Func<string>? done = null)
    {
        if (!await TryAsync(act, ExplainAction))
        {
            return false;
        }

        if (done is not null)
        {
            Snackbar.Add(done(), Severity.Success);
        }

        return true;
    }

    /// <summary>
    /// Makes a call that follows an action, such as reading the list anew; returns its failure, or null. What has been done must not be
    /// reported as refused because of it.
    /// </summary>
    protected async Task<string?> ExplainAsync(Func<Task> ask)
    {
        try
        {
            await ask();
            return null;
        }
        catch (Exception failure) when (Explain(failure) is { } explanation)
        {
            return explanation;
        }
    }

    /// <summary>Shows what is wrong with the input.</summary>
    protected void Complain(string fault) => Fault = fault;

    /// <summary>
    /// Repeats a call while the page is open, never two at a time; an operator's action may run concurrently. Nobody waits for the task, so
    /// a bug of our own is handed to the renderer: otherwise the page would just show old figures.
    /// </summary>
    /// <param name="everyMs">Pause between two calls, see <see cref="PauseAfter"/>.</param>
    /// <param name="ask">The call.</param>
    /// <param name="say">Gets the failure, or null after a success.</param>
    protected async Task RepeatAsync(int everyMs, Func<CancellationToken, Task> ask, Action<string?> say)
    {
        var left = Left;
        try
        {
            while (true)
            {
                var asked = Stopwatch.GetTimestamp();
                var fault = await ExplainAsync(() => ask(left));
                left.ThrowIfCancellationRequested();
                say(fault);
                StateHasChanged();
                await Task.Delay(PauseAfter(Stopwatch.GetElapsedTime(asked), everyMs, failed: fault is not null), left);
            }
        }
        catch (OperationCanceledException) when (left.IsCancellationRequested)
        {
            // The operator has left the page.
        }
        catch (Exception bug)
        {
            await DispatchExceptionAsync(bug);
        }
    }

    /// <summary>
    /// The pause after a call of <see cref="RepeatAsync"/>. It is not longer after a failure, which may be a time-out: the page would be
    /// out of date for minutes after the Api is back.
    /// </summary>
    internal static TimeSpan PauseAfter(TimeSpan took, int everyMs, bool failed) =>
        TimeSpan.FromMilliseconds(failed ? everyMs : Math.Max(everyMs, took.TotalMilliseconds * PauseTimes));

    /// <summary>The message for the operator; null for a bug of our own, which is rethrown.</summary>
    protected string? Explain(Exception failure)
    {
        if (failure is OpsRefusedException { Status: HttpStatusCode.Unauthorized })
        {
            // Only a request can carry a new cookie, so a new document is loaded.
            Navigation.NavigateTo(
                ConsoleLogin.LoginAddress("/" + Navigation.ToBaseRelativePath(Navigation.Uri), LoginFault.RefusedByApi), forceLoad: true);
        }

        return failure switch
        {
            OpsRefusedException refused => refused.Message,
            OperationCanceledException when Left.IsCancellationRequested => "",
            _ when OpsApi.IsNoAnswer(failure) => $"The Api does not answer: {failure.Message}",
            _ => null,
        };
    }

    /// <summary>The same for an action, which the Api may have carried out without an answer.</summary>
    private string? ExplainAction(Exception failure)
    {
        var explanation = Explain(failure);
        return explanation is { Length: > 0 } && OpsApi.IsAnswerLost(failure)
            ? $"{explanation.TrimEnd('.')}. It may have been carried out: look before you repeat it."
            : explanation;
    }

    private async Task<bool> TryAsync(Func<CancellationToken, Task> ask, Func<Exception, string?> explain)
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
            return true;
        }
        catch (Exception failure) when (explain(failure) is { } explanation)
        {
            Fault = explanation;
            return false;
        }
        finally
        {
            Busy = false;
        }
    }
}
