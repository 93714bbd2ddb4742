namespace Seckill.OrderWorker.Migrating;

/// <summary>Who brings MySQL's schema up to date.</summary>
public enum MigrationMode
{
    /// <summary>Every worker, when it starts.</summary>
    OnStart,

    /// <summary>This process, which does nothing else and ends: a step of a deployment, with rights that workers need not have.</summary>
    Only,

    /// <summary>Somebody else: the worker waits until the schema is there.</summary>
    Never,
}
