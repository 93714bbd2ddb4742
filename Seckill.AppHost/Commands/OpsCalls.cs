using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Seckill.AppHost.Commands;

/// <summary>Calls the Api's operator endpoints with the key that machines use.</summary>
internal sealed class OpsCalls(ProjectResource api, ParameterResource opsKey)
{
    private const int AnswerTimeoutMs = 15_000;

    /// <param name="path">Below <c>/api/ops/</c>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="HttpRequestException">No answer, or an error.</exception>
    /// <exception cref="OperationCanceledException">No answer in time, or cancelled.</exception>
    public async Task<JsonNode?> GetAsync(string path, CancellationToken cancellationToken)
    {
        using var http = await ClientAsync(cancellationToken);
        return await http.GetFromJsonAsync<JsonNode>(path, cancellationToken);
    }

    /// <summary>The Api's answer as a command's result; a refusal is a failure with the Api's message.</summary>
    /// <param name="path">Below <c>/api/ops/</c>.</param>
    /// <param name="body">Null for none.</param>
    /// <param name="advice">Added to the failure when nothing says whether the call took effect.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task<ExecuteCommandResult> PostAsync(string path, JsonObject? body, string advice, CancellationToken cancellationToken)
    {
        using var http = await ClientAsync(cancellationToken);
        using var content = body is null ? null : JsonContent.Create(body);
        try
        {
            using var answer = await http.PostAsync(path, content, cancellationToken);
            var text = await answer.Content.ReadAsStringAsync(cancellationToken);
            if (answer.IsSuccessStatusCode)
            {
                return CommandResults.Success("Done.", text, CommandResultFormat.Json);
            }

            var refusal = string.Create(CultureInfo.InvariantCulture, $"The Api answered {(int)answer.StatusCode}: {text}");
            return CommandResults.Failure(answer.StatusCode < HttpStatusCode.InternalServerError ? refusal : $"{refusal} {advice}");
        }
        catch (Exception failure) when (IsSilence(failure, cancellationToken))
        {
            return CommandResults.Failure($"The Api did not answer: {failure.Message} {advice}");
        }
    }

    /// <summary>Whether the connection broke or the time ran out, rather than the caller cancelling.</summary>
    public static bool IsSilence(Exception failure, CancellationToken cancellationToken) =>
        failure is HttpRequestException || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    private async Task<HttpClient> ClientAsync(CancellationToken cancellationToken)
    {
        var client = new HttpClient
        {
            BaseAddress = new Uri(api.GetEndpoint("http").Url + "/api/ops/"),
            Timeout = TimeSpan.FromMilliseconds(AnswerTimeoutMs),
        };
        client.DefaultRequestHeaders.Add("X-Ops-Key", await opsKey.GetValueAsync(cancellationToken));
        return client;
    }
}
