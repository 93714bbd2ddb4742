using System.Reflection;
using StackExchange.Redis;

namespace Seckill.Tests.Fixtures;

/// <summary>A Redis whose connection is being given up: every call fails with the given exception.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Performance", "CA1852", Justification = "DispatchProxy derives a class from it.")]
internal class LostRedis : DispatchProxy
{
    private static readonly MethodInfo FromException = typeof(Task).GetMethod(nameof(Task.FromException), 1, [typeof(Exception)])!;

    private Exception _exception = null!;
    private IDatabase? _database;

    public static IConnectionMultiplexer With(Exception exception)
    {
        var connection = Create<IConnectionMultiplexer, LostRedis>();
        var database = Create<IDatabase, LostRedis>();
        ((LostRedis)(object)database)._exception = exception;
        ((LostRedis)(object)connection)._database = database;
        return connection;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (_database is not null)
        {
            return targetMethod!.Name == nameof(IConnectionMultiplexer.GetDatabase)
                ? _database
                : throw new NotSupportedException(targetMethod.Name);
        }

        var reply = targetMethod!.ReturnType;
        return reply.IsGenericType
            ? FromException.MakeGenericMethod(reply.GenericTypeArguments).Invoke(null, [_exception])
            : Task.FromException(_exception);
    }
}
