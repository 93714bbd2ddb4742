using System.Data.Common;
using System.Reflection;
using Microsoft.EntityFrameworkCore.Diagnostics;
using StackExchange.Redis;

namespace Seckill.Tests.Operations;

/// <summary>The moment at which an instance dies.</summary>
/// <param name="Calls">Redis calls, statements and commits that still succeed.</param>
/// <param name="Late">Whether the next one, if it is a script, is carried out later: by a server that was frozen meanwhile.</param>
internal readonly record struct Death(int Calls, bool Late);

/// <summary>The instance has died: none of its awaited calls returns.</summary>
internal sealed class DiedException() : Exception("The instance has died here.");

/// <summary>
/// A proxy for an instance's calls to Redis and MySQL. After a number of them the instance dies, which in this process is an exception at
/// every further call: as with a kill, calls already sent are executed and no others. MySQL rolls back uncommitted work.
/// </summary>
internal sealed class Lifeline
{
    private readonly Lock _lock = new();
    private Death? _death;

    public bool Died { get; private set; }

    /// <summary>A script that a frozen server carries out later; null for none.</summary>
    public Func<Task>? LateCall { get; private set; }

    /// <summary>Null for no death.</summary>
    public void Set(Death? death) => _death = death;

    /// <summary>Allows the call or ends the life; <paramref name="late"/> is the call that the server may still execute.</summary>
    public void Pass(Func<Task>? late = null)
    {
        lock (_lock)
        {
            if (!Died && _death is { Calls: 0, Late: true })
            {
                LateCall = late;
            }

            Died = Died || _death?.Calls == 0;
            _death = _death is { } death ? death with { Calls = death.Calls - 1 } : null;
            if (Died)
            {
                throw new DiedException();
            }
        }
    }
}

/// <summary>An interface of the Redis client, in front of the real one.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Performance", "CA1852", Justification = "DispatchProxy derives a class from it.")]
internal class MortalRedis : DispatchProxy
{
    private object _real = null!;
    private Lifeline _life = null!;
    private IDatabase? _database;

    public static IConnectionMultiplexer Of(IConnectionMultiplexer real, Lifeline life)
    {
        var connection = Create<IConnectionMultiplexer, MortalRedis>();
        var database = Create<IDatabase, MortalRedis>();
        ((MortalRedis)(object)database).Set(real.GetDatabase(), life, null);
        ((MortalRedis)(object)connection).Set(real, life, database);
        return connection;
    }

    private void Set(object real, Lifeline life, IDatabase? database) => (_real, _life, _database) = (real, life, database);

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (_database is not null)
        {
            return targetMethod!.Name == nameof(IConnectionMultiplexer.GetDatabase) ? _database : targetMethod.Invoke(_real, args);
        }

        _life.Pass(targetMethod!.Name == nameof(IDatabase.ScriptEvaluateAsync) ? () => (Task)targetMethod.Invoke(_real, args)! : null);
        return targetMethod.Invoke(_real, args);
    }
}

/// <summary>Each statement that EF sends.</summary>
internal sealed class MortalCommands(Lifeline life) : DbCommandInterceptor
{
    public override ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result,
        CancellationToken cancellationToken = default)
    {
        life.Pass();
        return ValueTask.FromResult(result);
    }

    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        life.Pass();
        return ValueTask.FromResult(result);
    }

    public override ValueTask<InterceptionResult<object>> ScalarExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<object> result, CancellationToken cancellationToken = default)
    {
        life.Pass();
        return ValueTask.FromResult(result);
    }
}

/// <summary>Each commit.</summary>
internal sealed class MortalCommits(Lifeline life) : DbTransactionInterceptor
{
    public override ValueTask<InterceptionResult> TransactionCommittingAsync(
        DbTransaction transaction, TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
    {
        life.Pass();
        return ValueTask.FromResult(result);
    }
}
