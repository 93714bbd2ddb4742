namespace Seckill.Tests.Model;

/// <summary>The searched instances, each small enough for a complete search.</summary>
public static class ProtocolInstances
{
    /// <summary>The bug that causes endless loads.</summary>
    public const string EndlessLoads = "LOOKED_WITHOUT_LOCK";

    /// <summary>Name and parameters of an instance.</summary>
    public static TheoryData<string, string> All { get; } = new()
    {
        { "the route", "ORDERS=3 STOCK=2 WORKERS=2 LETTERS=1" },
        { "stock is added", "ORDERS=3 STOCK=2 APIS=2 ADDITIONS=1" },
        { "stock is added and a load dies", "APIS=2 ADDITIONS=1 DEATHS=1" },
        { "Redis loses something and a load dies", "APIS=2 LOSSES=1 DEATHS=1" },
        { "Redis loses something and stock is added", "APIS=1 LOSSES=1 ADDITIONS=1" },
        { "three clicks of one buyer, and Redis loses something", "ORDERS=3 STOCK=3 LIMIT=2 ONE_BUYER APIS=1 LOSSES=1" },
    };

    /// <summary>A planted bug, and the smallest instance that shows it.</summary>
    public static TheoryData<string, string> WithBugs { get; } = new()
    {
        { "NO_OUTBOX", "" },
        { "DUPLICATE_DEDUCTS", "" },
        { "CONFIRMED_IS_DONE", "APIS=1 LOSSES=1" },
        { "SWEPT_WITH_NEW_ID", "STOCK=2" },
        { "ACK_BEFORE_COMMIT", "APIS=1 LOSSES=1" },
        { "NO_PRIMARY_KEY", "STOCK=2" },
        { "CLICK_NOT_UNIQUE", "STOCK=2 LIMIT=2 APIS=1 LOSSES=1" },
        { "LIMIT_AT_GATE_ONLY", "STOCK=2 APIS=1 LOSSES=1" },
        { "REJECTION_FORGOTTEN", "LETTERS=1" },
        { "EPOCH_READ_BEFORE_LOCK", "APIS=1 LOSSES=1" },
        { "FAILED_KEEPS_STOCK", "LETTERS=1" },
        { "SETTLED_TWICE", "APIS=1 LOSSES=1" },
        { "EPOCHS_IGNORED", "APIS=1 LOSSES=1" },
        { "COUNTED_BY_EPOCH", "APIS=2 LOSSES=1" },
        { "SERVER_NOT_ASKED", "APIS=1 LOSSES=1" },
        { "LOAD_IGNORES_HELD", "APIS=1 ADDITIONS=1" },
        { "LOAD_WITHOUT_LOCK", "APIS=1 ADDITIONS=1" },
        { "EPOCH_NUMBERS_ONLY", "APIS=1 ADDITIONS=2 DEATHS=1" },
        { "ADDED_OVER_RUNNING_COUNTER", "APIS=1 ADDITIONS=1" },
        { "BUYERS_NOT_RESTORED", "APIS=1 LOSSES=1" },
        { "KNOWN_BUYERS_LEFT_ALONE", "APIS=1 LOSSES=1" },
        { "WARM_ON_ANOTHER_SERVER", "APIS=1 LOSSES=1 ADDITIONS=1" },
    };
}
