namespace Seckill.Console.Live;

/// <summary>One line of a chart.</summary>
/// <param name="Name">Shown in the legend.</param>
/// <param name="Unit">Follows the number in the legend.</param>
/// <param name="Class">CSS class that gives the colour.</param>
/// <param name="Values">One per second, the last one at the right edge; null leaves a gap.</param>
/// <param name="Right">Measured on the right axis.</param>
/// <param name="Filled">Drawn as an area.</param>
public sealed record ChartLine(
    string Name, string Unit, string Class, IReadOnlyList<double?> Values, bool Right = false, bool Filled = false);
