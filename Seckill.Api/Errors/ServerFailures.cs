using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using MySqlConnector;
using RabbitMQ.Client.Exceptions;
using StackExchange.Redis;

namespace Seckill.Api.Errors;

/// <summary>Turns an unavailable server into a 503 that clients may retry, instead of an internal error.</summary>
internal static partial class ServerFailures
{
    public static TBuilder AnswersBusyWhenServersFail<TBuilder>(this TBuilder route) where TBuilder : IEndpointConventionBuilder =>
        route.AddEndpointFilter(async (invocation, next) =>
        {
            try
            {
                return await next(invocation);
            }
            catch (Exception exception) when (IsOf(exception))
            {
                var http = invocation.HttpContext;
                LogFailed(
                    http.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(ServerFailures)), http.Request.Path,
                    exception.Message);
                return ErrorResult.Busy;
            }
        });

    /// <summary>Whether a server, and not this program, is the cause.</summary>
    public static bool IsOf(Exception exception) =>
        exception is RedisException or TimeoutException
            or MySqlException or DbUpdateException or RetryLimitExceededException
            // EF wraps errors that it considers transient in this exception.
            or InvalidOperationException { InnerException: MySqlException or DbUpdateException }
            // BrokerUnreachableException derives from IOException, unlike the client's other exceptions.
            or RabbitMQClientException or BrokerUnreachableException;

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} failed: {Reason}")]
    private static partial void LogFailed(ILogger logger, string path, string reason);
}
