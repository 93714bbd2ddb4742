namespace Seckill.Api.Catalogue;

/// <summary>
/// Visits the sales that Redis keeps in a cycle, at most <see cref="StepMax"/> in a step, so that the cost per second of periodic work does
/// not grow with the number of sales. For a single caller.
/// </summary>
/// <param name="skuIds">All current SKU ids, in order.</param>
internal sealed class SaleCursor(Func<IReadOnlyList<long>> skuIds)
{
    /// <summary>Most SKUs in one step.</summary>
    public const int StepMax = 1_000;

    private long _last = long.MinValue;

    /// <summary>The next SKUs by id; starts again after the last one.</summary>
    public IReadOnlyList<long> Next()
    {
        var ids = skuIds();
        var step = ids.Where(id => id > _last).Take(StepMax).ToList();
        if (step.Count == 0)
        {
            step = [.. ids.Take(StepMax)];
        }

        _last = step.Count < StepMax ? long.MinValue : step[^1];
        return step;
    }

    /// <summary>Makes the next step begin after this SKU: the rest of the last step was not processed.</summary>
    public void ContinueBehind(long skuId) => _last = skuId;
}
