using System.Diagnostics;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;

namespace Seckill.Api.Publishing;

/// <summary>An order to publish. <see cref="Complete"/> reports whether the broker has it.</summary>
public abstract class Publication
{
    public abstract SkuKeys Sku { get; }

    /// <summary>The order; its trace is added when it is written.</summary>
    public abstract OrderMessage Message { get; }

    /// <summary>The click's trace; default when it has none.</summary>
    public abstract ActivityContext Trace { get; }

    /// <summary>The same as a W3C traceparent, for an order whose publish span is not recorded; null when it has none.</summary>
    public abstract string? TraceParent { get; }

    /// <summary>When the publisher accepted it, as a timestamp of the measuring clock.</summary>
    internal long TakenAt { get; set; }

    /// <summary>The span "publish order"; null when it is not recorded.</summary>
    internal Activity? Span { get; set; }

    /// <summary>Called once, by any thread: confirmed, or left to the outbox.</summary>
    public abstract void Complete(bool confirmed);
}
