using System.Net;
using System.Text.Json;

namespace Seckill.Console.Ops;

/// <summary>The Api refused the call. The message is for the operator.</summary>
public sealed class OpsRefusedException(HttpStatusCode status, string error, string? detail)
    : Exception(detail is null || detail == error ? error : $"{error}: {detail}")
{
    public HttpStatusCode Status => status;

    /// <summary>The contract's short <c>error</c>.</summary>
    public string Error => error;

    internal static async Task<OpsRefusedException> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        ProblemBody? problem = null;
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
            problem = await JsonSerializer.DeserializeAsync(body, OpsJson.Default.ProblemBody, cancellationToken);
        }
        catch (JsonException)
        {
            // A proxy answered; only the status is known.
        }

        return new OpsRefusedException(
            response.StatusCode, problem?.Error ?? problem?.Title ?? $"the Api answered {(int)response.StatusCode}", problem?.Detail);
    }
}
