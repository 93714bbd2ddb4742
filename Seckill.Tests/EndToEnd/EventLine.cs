using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text.Json;

namespace Seckill.Tests.EndToEnd;

/// <summary>An open line of Server-Sent Events, read as a page reads it.</summary>
public sealed class EventLine : IAsyncDisposable
{
    private const int NextTimeoutMs = 60_000;

    private readonly HttpResponseMessage _response;
    private readonly IAsyncEnumerator<SseItem<string>> _events;
    private readonly CancellationTokenSource _closed = new();

    private EventLine(HttpResponseMessage response, Stream body)
    {
        _response = response;
        _events = SseParser.Create(body).EnumerateAsync(_closed.Token).GetAsyncEnumerator(_closed.Token);
    }

    /// <summary>Opens a line and waits until the server confirms it.</summary>
    /// <exception cref="HttpRequestException">The answer was not 200; it has the status.</exception>
    public static async Task<EventLine> OpenAsync(
        HttpClient http, string token, CancellationToken cancellationToken, string query = "", string? lastEventId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/orders/seckill/events{query}");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (lastEventId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEventId);
        }

        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            using (response)
            {
                throw new HttpRequestException(await response.Content.ReadAsStringAsync(cancellationToken), null, response.StatusCode);
            }
        }

        var line = new EventLine(response, await response.Content.ReadAsStreamAsync(cancellationToken));
        Assert.Equal("listening", (await line.NextAsync()).EventType);
        return line;
    }

    /// <summary>The next event of any kind.</summary>
    public async Task<SseItem<string>> NextAsync()
    {
        _closed.CancelAfter(NextTimeoutMs);
        Assert.True(await _events.MoveNextAsync(), "the line ended");
        // No wait is pending now: a line may stay open for any time.
        _closed.CancelAfter(Timeout.Infinite);
        return _events.Current;
    }

    /// <summary>The next outcome. Keep-alives are ignored, and do not prolong the wait.</summary>
    public async Task<(string? Id, JsonElement Body)> OutcomeAsync()
    {
        var asked = Stopwatch.GetTimestamp();
        var next = await NextAsync();
        while (next.EventType == "alive")
        {
            Assert.True(
                Stopwatch.GetElapsedTime(asked).TotalMilliseconds < NextTimeoutMs,
                $"There were only keep-alives, and no outcome within {NextTimeoutMs} ms.");
            next = await NextAsync();
        }

        Assert.Equal("outcome", next.EventType);
        return (next.EventId, JsonElement.Parse(next.Data));
    }

    /// <summary>Waits until the server ends the line.</summary>
    public async Task EndAsync()
    {
        _closed.CancelAfter(NextTimeoutMs);
        while (await _events.MoveNextAsync())
        {
            // Keep-alives.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync();
        _response.Dispose();
        try
        {
            await _events.DisposeAsync();
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            // Closed by us.
        }

        _closed.Dispose();
    }
}
