using System.Globalization;
using System.Net.ServerSentEvents;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Security.Claims;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Seckill.Api.Auth;
using Seckill.Api.Errors;
using Seckill.Api.Limits;
using Seckill.Api.Orders;

namespace Seckill.Api.Push;

/// <summary>Pushes outcomes by Server-Sent Events, which reconnect by themselves, or by a WebSocket instead.</summary>
public static class PushEndpoints
{
    private const string OrdersPath = "/api/orders/seckill";
    private const string Socket = "/ws";
    private const string SocketPath = OrdersPath + Socket;
    private const int SkusMax = 32;
    private const int ReconnectMs = 1_000;
    private const int CloseTimeoutMs = 5_000;

    /// <summary>Only for the path that serves one, because the middleware gives each request a feature object.</summary>
    public static IApplicationBuilder UseOutcomeSockets(this IApplicationBuilder app) =>
        app.UseWhen(http => http.Request.Path.StartsWithSegments(SocketPath), sockets => sockets.UseWebSockets());

    public static IEndpointRouteBuilder MapPush(this IEndpointRouteBuilder routes)
    {
        var buyers = routes.MapGroup(OrdersPath).RequireAuthorization(LoginState.BuyerPolicy).WithTags("Orders")
            .DisableHttpMetrics();
        buyers.MapGet("/events", Events)
            .WithName("OrderEvents")
            .WithSummary(
                "The buyer's outcomes as they are decided (text/event-stream); sku_id, up to 32 times, requests the current state "
                    + "first. Last-Event-ID resumes.")
            .Produces<OrderStatusResponse>(contentType: "text/event-stream")
            .ProducesErrors(400, 401, 503)
            .LimitQueries();
        buyers.MapGet(Socket, SocketAsync)
            .WithName("OrderSocket")
            .WithSummary(
                "The same over a WebSocket, one JSON text for each outcome; `since` takes the id of the last one: settled_at_ms, "
                    + "a hyphen, order_id.")
            .ProducesErrors(400, 401, 403, 503)
            .LimitQueries();
        return routes;
    }

    private static IResult Events(
        HttpContext http, ClaimsPrincipal user, OutcomeHub hub, OutcomeFeed feed, IOptions<AuthOptions> auth, string[]? sku_id)
    {
        if (!TryRead(user, auth.Value, sku_id, http.Request.Headers["Last-Event-ID"], out var request))
        {
            return ErrorResult.BadRequest("sku_id is not valid");
        }

        if (hub.TryListen(request.UserId) is not { } listening)
        {
            return ErrorResult.Busy;
        }

        http.Response.RegisterForDispose(listening);
        // Otherwise nginx and similar proxies buffer the response.
        http.Response.Headers["X-Accel-Buffering"] = "no";
        return TypedResults.ServerSentEvents(EventsAsync(feed.ReadAsync(listening, request, http.RequestAborted), http.RequestAborted));
    }

    private static async IAsyncEnumerable<SseItem<string>> EventsAsync(
        IAsyncEnumerable<OrderStatusResponse?> outcomes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Sent at once, so that the page knows that the connection works.
        yield return new SseItem<string>("{}", "listening") { ReconnectionInterval = TimeSpan.FromMilliseconds(ReconnectMs) };
        await foreach (var outcome in outcomes.WithCancellation(cancellationToken))
        {
            yield return outcome is null
                ? new SseItem<string>("{}", "alive")
                : new SseItem<string>(JsonSerializer.Serialize(outcome, ApiJson.Web.OrderStatusResponse), "outcome")
                {
                    EventId = OutcomeFeed.IdOf(outcome),
                };
        }
    }

    private static async Task<IResult> SocketAsync(
        HttpContext http, ClaimsPrincipal user, OutcomeHub hub, OutcomeFeed feed, IOptions<PushOptions> options,
        IOptions<AuthOptions> auth, string[]? sku_id, string? since)
    {
        if (!http.WebSockets.IsWebSocketRequest)
        {
            return ErrorResult.BadRequest("not a websocket request");
        }

        if (!TryRead(user, auth.Value, sku_id, since, out var request))
        {
            return ErrorResult.BadRequest("sku_id is not valid");
        }

        using var listening = hub.TryListen(request.UserId);
        if (listening is null)
        {
            return ErrorResult.Busy;
        }

        using var socket = await http.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext
        {
            KeepAliveInterval = TimeSpan.FromMilliseconds(options.Value.KeepAliveMs),
            KeepAliveTimeout = TimeSpan.FromMilliseconds(options.Value.KeepAliveMs),
        });
        using var closed = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        var hearing = HearCloseAsync(socket, closed);
        try
        {
            await foreach (var outcome in feed.ReadAsync(listening, request, closed.Token))
            {
                if (outcome is not null)
                {
                    await socket.SendAsync(
                        JsonSerializer.SerializeToUtf8Bytes(outcome, ApiJson.Web.OrderStatusResponse), WebSocketMessageType.Text, true,
                        closed.Token);
                }
            }

            await CloseAsync(socket);
        }
        catch (Exception exception) when (exception is OperationCanceledException or WebSocketException)
        {
            // The page is gone; it reconnects by itself.
        }

        await closed.CancelAsync();
        await hearing;
        return TypedResults.Empty;
    }

    /// <summary>The page sends nothing, but a close frame is only seen by reading.</summary>
    private static async Task HearCloseAsync(WebSocket socket, CancellationTokenSource closed)
    {
        var ignored = new byte[256];
        try
        {
            while ((await socket.ReceiveAsync(ignored, closed.Token)).MessageType != WebSocketMessageType.Close)
            {
                // Keep reading.
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or WebSocketException)
        {
            // Disconnected without a close frame.
        }

        await closed.CancelAsync();
    }

    private static async Task CloseAsync(WebSocket socket)
    {
        using var deadline = new CancellationTokenSource(CloseTimeoutMs);
        if (socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
        {
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "come again", deadline.Token);
        }
    }

    private static bool TryRead(
        ClaimsPrincipal user, AuthOptions auth, string[]? skuIds, string? lastEventId, out OutcomeRequest request)
    {
        var ids = new List<long>();
        var fine = skuIds is not { Length: > SkusMax };
        foreach (var text in fine ? skuIds ?? [] : [])
        {
            fine &= long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id > 0;
            ids.Add(id);
        }

        request = new OutcomeRequest(user.UserId(), ids, lastEventId, TokenCache.EndOf(user, auth));
        return fine;
    }
}
