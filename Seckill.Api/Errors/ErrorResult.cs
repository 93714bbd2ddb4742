using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.WebUtilities;

namespace Seckill.Api.Errors;

/// <summary>
/// Problem details (RFC 9457) with the <c>error</c> member that clients of the contract read. <see cref="SoldOut"/> and the other fixed
/// errors are serialized only once: during a sale most responses are refusals.
/// </summary>
public sealed class ErrorResult : IResult, IStatusCodeHttpResult
{
    internal const string ContentType = "application/problem+json";

    public static readonly ErrorResult Unauthorized = new(
        StatusCodes.Status401Unauthorized, "unauthorized", "Send a valid bearer token, or the login cookie.");
    public static readonly ErrorResult Forbidden = new(StatusCodes.Status403Forbidden, "forbidden", "Your role does not allow this.");
    public static readonly ErrorResult CrossSite = new(
        StatusCodes.Status403Forbidden, "cross-site request", "The login cookie is accepted only for requests from this site's own pages.");
    public static readonly ErrorResult DemoLoginElsewhere = new(
        StatusCodes.Status403Forbidden, "demo login is for this machine",
        "Send the request from the machine itself, via localhost. Auth:DemoLoginForAnyone=true opens it to everybody who can reach this "
            + "address.");
    public static readonly ErrorResult TokenRequired = new(
        StatusCodes.Status403Forbidden, "purchase token required",
        "Get one from /api/seckill/token once the sale has started, and send it as X-Purchase-Token.");
    public static readonly ErrorResult TokenInvalid = new(
        StatusCodes.Status403Forbidden, "invalid purchase token",
        "It was not issued for you and this SKU; get one from /api/seckill/token.");
    public static readonly ErrorResult TokenExpired = new(
        StatusCodes.Status403Forbidden, "invalid purchase token", "It has expired; get a new one from /api/seckill/token.");
    public static readonly ErrorResult SoldOut = new(StatusCodes.Status400BadRequest, "sold out", "No units are left at the moment.");
    public static readonly ErrorResult Paused = new(StatusCodes.Status400BadRequest, "paused", "The sale is paused.");
    public static readonly ErrorResult UnknownSku = new(StatusCodes.Status404NotFound, "unknown sku", "No sale has this sku_id.");
    public static readonly ErrorResult NoOrder = new(StatusCodes.Status404NotFound, "no order", "You have no order that matches.");
    public static readonly ErrorResult NoDeadLetter = new(
        StatusCodes.Status404NotFound, "no dead letter", "No dead letter among those scanned has this id.");
    public static readonly ErrorResult TooLarge = new(
        StatusCodes.Status413PayloadTooLarge, "request body too large", "An order is a few dozen bytes.");
    public static readonly ErrorResult TooSlow = new(
        StatusCodes.Status408RequestTimeout, "request body too slow", "A body has to arrive within seconds of its headers.");
    public static readonly ErrorResult NotJson = new(
        StatusCodes.Status415UnsupportedMediaType, "unsupported media type", "Send application/json.");
    public static readonly ErrorResult WarmingUp = new(
        StatusCodes.Status503ServiceUnavailable, "warming up", "The stock is being loaded.", retryAfterSeconds: 1);
    public static readonly ErrorResult Busy = new(
        StatusCodes.Status503ServiceUnavailable, "busy", "Retry; with the same client_order_no this never makes a second order.",
        retryAfterSeconds: 1);

    private readonly int _status;
    private readonly string? _retryAfter;
    private readonly byte[] _body;

    private ErrorResult(int status, string error, string detail, int? retryAfterSeconds = null)
    {
        _status = status;
        Error = error;
        _retryAfter = retryAfterSeconds?.ToString(CultureInfo.InvariantCulture);
        _body = JsonSerializer.SerializeToUtf8Bytes(
            new ErrorBody(ReasonPhrases.GetReasonPhrase(status), status, error, detail), ApiJson.Web.ErrorBody);
    }

    /// <summary>The member <c>error</c>.</summary>
    public string Error { get; }

    int? IStatusCodeHttpResult.StatusCode => _status;

    /// <summary>400 with a description of the input error.</summary>
    public static ErrorResult BadRequest(string error, string? detail = null) =>
        new(StatusCodes.Status400BadRequest, error, detail ?? error);

    /// <summary>503, where the general advice to repeat the request does not hold.</summary>
    public static ErrorResult BusyWith(string detail) => new(StatusCodes.Status503ServiceUnavailable, Busy.Error, detail);

    /// <summary>429: too many requests from one sender.</summary>
    public static ErrorResult TooManyRequests(int retryAfterSeconds) =>
        new(StatusCodes.Status429TooManyRequests, "too many requests", "Send fewer requests.", retryAfterSeconds);

    /// <summary>409 with a description of the conflict.</summary>
    public static ErrorResult Conflict(string error, string detail) => new(StatusCodes.Status409Conflict, error, detail);

    public Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.StatusCode = _status;
        response.ContentType = ContentType;
        response.ContentLength = _body.Length;
        if (_retryAfter is not null)
        {
            response.Headers.RetryAfter = _retryAfter;
        }

        return response.Body.WriteAsync(_body, httpContext.RequestAborted).AsTask();
    }
}

/// <summary>The body of every error.</summary>
public sealed record ErrorBody(string Title, int Status, string Error, string Detail);

/// <summary>Gives the framework's own problems (unknown path, wrong method, unhandled exception) the <c>error</c> member too.</summary>
public static class ProblemRegistration
{
    public static IServiceCollection AddProblems(this IServiceCollection services) =>
        services.AddProblemDetails(options => options.CustomizeProblemDetails = context => Complete(context.ProblemDetails));

    private static void Complete(ProblemDetails problem)
    {
        problem.Extensions.TryAdd("error", problem.Title?.ToLowerInvariant() ?? "error");
        if (Activity.Current is { } activity)
        {
            // Replaces the framework's own, longer value under this name.
            problem.Extensions["trace_id"] = activity.TraceId.ToHexString();
        }
    }
}
