using System.Globalization;
using Seckill.Api.Audit;
using Seckill.Api.Auth;
using Seckill.Api.Errors;
using Seckill.Api.Requests;

namespace Seckill.Api.DeadLetters;

/// <summary>The operators' calls for messages that could not become orders.</summary>
public static class DeadLetterEndpoints
{
    private const int TakeDefault = 50;
    private const int TakeMax = 500;
    private const int ListedBodyBytesMax = 2_000;
    private const int ShownBodyBytesMax = 65_536;

    public static IServiceCollection AddDeadLetters(this IServiceCollection services)
    {
        services.AddOptions<DeadLetterOptions>().BindConfiguration(DeadLetterOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton<OrderAbandonment>();
        services.AddSingleton<DeadLetterOperations>();
        return services;
    }

    public static IEndpointRouteBuilder MapDeadLetters(this IEndpointRouteBuilder routes)
    {
        var letters = routes.MapGroup("/api/ops/dead-letters")
            .RequireAuthorization(LoginState.OperatorPolicy)
            .Audited()
            .AnswersBusyWhenServersFail()
            .AddEndpointFilter(AnswerBusy)
            .WithTags("Operations");

        letters.MapGet("", ListAsync)
            .WithName("DeadLetters")
            .WithSummary("Messages that could not become orders, and orders that wait to be tried again, oldest first.")
            .Produces<DeadLetterListResponse>()
            .ProducesErrors(400, 401, 403, 409, 503);
        letters.MapGet("/{id}", ShowAsync)
            .WithName("DeadLetter")
            .WithSummary("One dead letter, with more of its body.")
            .Produces<DeadLetterItem>()
            .ProducesErrors(401, 403, 404, 409, 503);
        letters.MapPost("/{id}/replay", ReplayAsync)
            .WithName("ReplayDeadLetter")
            .WithSummary("Sends a dead letter to the order queue again. Never makes a second order: the order id stays the same.")
            .Produces<ReplayResponse>()
            .ProducesErrors(401, 403, 404, 409, 503);
        letters.MapPost("/replay-all", ReplayAllAsync)
            .WithName("ReplayAllDeadLetters")
            .WithSummary("Sends the dead letters to the order queue again, oldest first, up to a limit; repeat while some remain.")
            .Produces<ReplayResponse>()
            .ProducesErrors(401, 403, 409, 503);
        letters.MapPost("/{id}/abandon", AbandonAsync)
            .WithName("AbandonDeadLetter")
            .WithSummary(
                "Abandons a dead letter: its order fails, stock and the buyer's quota are returned once, and the letter is removed. "
                    + "Refused for an order that exists, or whose buyer was told SUCCESS.")
            .Produces<AbandonResponse>()
            .ProducesErrors(401, 403, 404, 409, 503);
        return routes;
    }

    private static async Task<IResult> ListAsync(
        OperatorCall call, AuditLog audit, DeadLetterOperations operations, string? take, CancellationToken cancellationToken)
    {
        if (!TakeParameter.TryRead(take, TakeDefault, TakeMax, out var countMax, out var error))
        {
            return error;
        }

        var list = await operations.ListAsync(countMax, cancellationToken);
        DeadLetter[] shown = [.. list.Letters, .. list.Parked];
        if (shown.Length > 0)
        {
            await audit.WriteAsync(
                call, "dead-letters.read", string.Create(CultureInfo.InvariantCulture, $"{shown.Length} letters"), BuyersOf(shown),
                cancellationToken);
        }

        return TypedResults.Json(
            new DeadLetterListResponse(
                list.Count, [.. list.Letters.Select(letter => ToItem(letter, ListedBodyBytesMax))],
                list.ParkedCount, [.. list.Parked.Select(letter => ToItem(letter, ListedBodyBytesMax))]),
            ApiJson.Web.DeadLetterListResponse);
    }

    private static async Task<IResult> ShowAsync(
        OperatorCall call, AuditLog audit, DeadLetterOperations operations, string id, CancellationToken cancellationToken)
    {
        if (await operations.FindAsync(id, cancellationToken) is not { } letter)
        {
            return ErrorResult.NoDeadLetter;
        }

        await audit.WriteAsync(call, "dead-letter.read", id, BuyersOf([letter]), cancellationToken);
        return TypedResults.Json(ToItem(letter, ShownBodyBytesMax), ApiJson.Web.DeadLetterItem);
    }

    // An operator who disconnects cancels none of the following calls: each has its own time-out, and a half-finished call is worse than a
    // finished one.
    private static async Task<IResult> ReplayAsync(DeadLetterOperations operations, OperatorCall call, string id) =>
        await operations.ReplayAsync(call, id, CancellationToken.None) is { } replay
            ? TypedResults.Json(replay, ApiJson.Web.ReplayResponse)
            : ErrorResult.NoDeadLetter;

    private static async Task<IResult> ReplayAllAsync(DeadLetterOperations operations, OperatorCall call) =>
        TypedResults.Json(await operations.ReplayAllAsync(call, CancellationToken.None), ApiJson.Web.ReplayResponse);

    private static async Task<IResult> AbandonAsync(DeadLetterOperations operations, OperatorCall call, string id)
    {
        var abandonment = await operations.AbandonAsync(call, id, CancellationToken.None);
        return abandonment?.Outcome switch
        {
            null => ErrorResult.NoDeadLetter,
            AbandonOutcome.AlreadyAnOrder when abandonment.Value.IsMissing => ErrorResult.Conflict(
                "told success",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The buyer of order {abandonment.Value.OrderId} was told SUCCESS. Replay the letter, so that MySQL has it too.")),
            AbandonOutcome.AlreadyAnOrder => ErrorResult.Conflict(
                "already an order",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Order {abandonment.Value.OrderId} exists. Replay the letter: the worker will find the order and drop the copy.")),
            var outcome => TypedResults.Json(
                new AbandonResponse(
                    outcome switch
                    {
                        AbandonOutcome.Failed => "failed",
                        AbandonOutcome.Contradicted => "contradicted",
                        AbandonOutcome.Unsettled => "unsettled",
                        _ => "removed",
                    },
                    abandonment.Value.OrderId?.ToString(CultureInfo.InvariantCulture)),
                ApiJson.Web.AbandonResponse),
        };
    }

    private static async ValueTask<object?> AnswerBusy(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        try
        {
            return await next(invocation);
        }
        catch (DeadLettersBusyException exception)
        {
            return ErrorResult.Conflict("busy", exception.Message);
        }
    }

    /// <summary>The buyers whose orders were shown to an operator, as far as the bodies name them.</summary>
    private static string BuyersOf(IEnumerable<DeadLetter> letters) =>
        "buyers: " + string.Join(
            ' ', letters.SelectMany(letter => DeadLetterBody.PartsOf(letter.Body))
                .Select(order => DeadLetterBody.OrderOf(order)?.UserId ?? "?").Distinct());

    private static DeadLetterItem ToItem(DeadLetter letter, int bodyBytesMax) => new(
        letter.Id, letter.Reason, letter.Attempts,
        letter.FirstAt?.ToUnixTimeMilliseconds(), letter.LastAt?.ToUnixTimeMilliseconds(), letter.TraceId,
        DeadLetterBody.OrderOf(letter.Body), DeadLetterBody.TextOf(letter.Body, bodyBytesMax), letter.BodyBytes);
}
