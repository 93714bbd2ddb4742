using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.Options;
using Seckill.Api.Errors;

namespace Seckill.Api.Requests;

/// <summary>
/// Reads a JSON body within a time limit. An invalid body results in an error response, not in an exception. The caller must not hold a
/// shared resource meanwhile.
/// </summary>
internal static class JsonBody
{
    /// <summary>An order is about a hundred bytes, and a purchase token two hundred more.</summary>
    public const int OrderBytesMax = 4 * 1024;

    /// <summary>For operators' texts; Kestrel's limit is the same.</summary>
    public const int BytesMax = 16 * 1024;

    public static async ValueTask<(T? Value, ErrorResult? Error)> ReadAsync<T>(
        HttpRequest request, JsonTypeInfo<T> type, CancellationToken cancellationToken, int bytesMax = BytesMax)
        where T : class
    {
        if (!request.HasJsonContentType())
        {
            return (null, ErrorResult.NotJson);
        }

        if (request.ContentLength > bytesMax)
        {
            return (null, ErrorResult.TooLarge);
        }

        var reader = request.BodyReader;
        try
        {
            // A body that arrived with its headers, as nearly all do, needs no wait and no timer.
            if (!reader.TryRead(out var result) || !IsWhole(result, bytesMax))
            {
                if (!result.Buffer.IsEmpty)
                {
                    reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                }

                result = await WaitForAllAsync(request, bytesMax, cancellationToken);
            }

            if (result.Buffer.Length > bytesMax)
            {
                reader.AdvanceTo(result.Buffer.End);
                return (null, ErrorResult.TooLarge);
            }

            try
            {
                var value = Parse(result.Buffer, type);
                return value is null ? (null, ErrorResult.BadRequest("malformed JSON", "The body is null.")) : (value, null);
            }
            finally
            {
                reader.AdvanceTo(result.Buffer.End);
            }
        }
        catch (JsonException exception)
        {
            return (null, Describe(exception));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The rest of the body is not read.
            request.HttpContext.Response.Headers.Connection = "close";
            return (null, ErrorResult.TooSlow);
        }
        catch (BadHttpRequestException exception)
        {
            return (null, exception.StatusCode switch
            {
                StatusCodes.Status413PayloadTooLarge => ErrorResult.TooLarge,
                StatusCodes.Status408RequestTimeout => ErrorResult.TooSlow,
                _ => ErrorResult.BadRequest("malformed request", exception.Message),
            });
        }
    }

    private static bool IsWhole(ReadResult result, int bytesMax) => result.IsCompleted || result.Buffer.Length > bytesMax;

    private static async ValueTask<ReadResult> WaitForAllAsync(HttpRequest request, int bytesMax, CancellationToken cancellationToken)
    {
        var options = request.HttpContext.RequestServices.GetRequiredService<IOptions<BodyOptions>>().Value;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(options.BodyReadMsMax);
        while (true)
        {
            var result = await request.BodyReader.ReadAsync(deadline.Token);
            if (IsWhole(result, bytesMax))
            {
                return result;
            }

            request.BodyReader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    private static T? Parse<T>(ReadOnlySequence<byte> body, JsonTypeInfo<T> type)
        where T : class
    {
        var reader = new Utf8JsonReader(body);
        var value = JsonSerializer.Deserialize(ref reader, type);
        // Throws for anything but white space after the value.
        reader.Read();
        return value;
    }

    private static ErrorResult Describe(JsonException exception)
    {
        // The path names the member of the contract that is invalid (with an inner JsonException the text is not JSON at all); the client's
        // own text is never echoed.
        var member = exception.InnerException is not JsonException && exception.Path is ['$', '.', .. var name] ? name : null;
        return member is "sku_id" or "quantity" or "client_order_no" or "purchase_token" or "user_id" or "role"
            or "title" or "description" or "image" or "price" or "list_price" or "limit_per_user" or "starts_at_ms" or "ends_at_ms"
            or "units" or "add" or "units_before"
            ? ErrorResult.BadRequest($"{member} is not valid", "It is given twice, or is not of the right type or size.")
            : ErrorResult.BadRequest("malformed JSON", "The body is not a JSON object of the documented shape.");
    }
}
