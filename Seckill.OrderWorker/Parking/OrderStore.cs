namespace Seckill.OrderWorker.Parking;

/// <summary>A store that takes or refuses orders.</summary>
internal enum OrderStore
{
    /// <summary>Orders are written to it.</summary>
    MySql,

    /// <summary>Verdicts are recorded in it.</summary>
    Redis,
}
