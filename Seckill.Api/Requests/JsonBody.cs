using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Seckill.Api.Errors;

namespace Seckill.Api.Requests;

/// <summary>Reads a JSON body; what is wrong with it comes back as the answer to send, not as an exception.</summary>
internal static class JsonBody
{
    public static async ValueTask<(T? Value, ErrorResult? Error)> ReadAsync<T>(
        HttpRequest request, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        if (!request.HasJsonContentType())
        {
            return (null, ErrorResult.NotJson);
        }

        try
        {
            var value = await JsonSerializer.DeserializeAsync(request.BodyReader, type, cancellationToken);
            return value is null ? (null, ErrorResult.BadRequest("malformed JSON", "The body is null.")) : (value, null);
        }
        catch (JsonException exception)
        {
            return (null, Describe(exception));
        }
        catch (BadHttpRequestException exception)
        {
            return (null, exception.StatusCode == StatusCodes.Status413PayloadTooLarge
                ? ErrorResult.TooLarge
                : ErrorResult.BadRequest("malformed request", exception.Message));
        }
    }

    private static ErrorResult Describe(JsonException exception)
    {
        // The path names the member of ours that does not fit (an inner JsonException: no JSON at all); the client's own text is never
        // echoed.
        var member = exception.InnerException is not JsonException && exception.Path is ['$', '.', .. var name] ? name : null;
        return member is "sku_id" or "quantity" or "client_order_no" or "purchase_token" or "user_id" or "role"
            or "title" or "description" or "image" or "price" or "list_price" or "limit_per_user" or "starts_at_ms" or "ends_at_ms"
            or "units" or "add" or "units_before"
            ? ErrorResult.BadRequest($"{member} is not valid", "It is given twice, or is not of the right type or size.")
            : ErrorResult.BadRequest("malformed JSON", "The body is not a JSON object of the documented shape.");
    }
}
