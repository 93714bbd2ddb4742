namespace Seckill.OrderWorker.Writing;

/// <summary>None of the orders has an id, and this worker cannot make ids now: it leases no Snowflake node.</summary>
internal sealed class UnnumberedOrdersException()
    : Exception("no Snowflake node is leased, so an order that comes without an id cannot get one");
