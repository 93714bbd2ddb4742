namespace Seckill.OrderWorker.Migrating;

/// <summary>Which process brings MySQL's schema up to date.</summary>
public enum MigrationMode
{
    /// <summary>Every worker, at startup.</summary>
    OnStart,

    /// <summary>This process, which then exits: a deployment step with rights that workers do not need.</summary>
    Only,

    /// <summary>Another process: the worker waits for the schema.</summary>
    Never,
}
