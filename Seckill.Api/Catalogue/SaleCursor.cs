namespace Seckill.Api.Catalogue;

/// <summary>
/// Goes round the sales that Redis keeps, <see cref="StepMax"/> at most in a step, so that what looks after all of them costs no more a
/// second when there are ten times as many. For one caller.
/// </summary>
/// <param name="skuIds">All of them as they are now, in order.</param>
internal sealed class SaleCursor(Func<IReadOnlyList<long>> skuIds)
{
    /// <summary>SKUs in one step.</summary>
    public const int StepMax = 1_000;

    private long _last = long.MinValue;

    /// <summary>The next SKUs by id; from the first again after the last.</summary>
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

    /// <summary>The next step begins behind this SKU: the rest of the last one was not looked at.</summary>
    public void ContinueBehind(long skuId) => _last = skuId;
}
