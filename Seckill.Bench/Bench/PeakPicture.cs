using System.Globalization;
using System.Text;

namespace Seckill.Bench.Bench;

/// <summary>
/// Draws the peak shaving as an SVG: clicks per second, waiting orders, and orders per second into MySQL, over time.
/// </summary>
internal static class PeakPicture
{
    private const int Width = 960;
    private const int PanelHeight = 170;
    private const int Left = 90;
    private const int Top = 40;
    private const int Gap = 50;
    private const double BucketSeconds = 0.1;

    private static readonly (string Title, string Color, bool IsRate, Func<Moment, double> Value)[] Panels =
    [
        ("clicks answered a second", "#c0392b", true, moment => moment.Answered),
        ("orders accepted and not yet in MySQL", "#8e44ad", false, moment => moment.Accepted - moment.Written),
        ("orders a second into MySQL", "#1e8449", true, moment => moment.Written),
    ];

    public static string Draw(IReadOnlyList<Moment> moments, string title)
    {
        var svg = new StringBuilder();
        var height = Top + (Panels.Length * (PanelHeight + Gap));
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n");
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<rect width=\"{Width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
                + $"<text x=\"{Left}\" y=\"24\" font-size=\"16\">{title}</text>\n");
        var end = moments[^1].Seconds;
        for (var i = 0; i < Panels.Length; i++)
        {
            DrawPanel(
                svg, Points(moments, Panels[i].Value, Panels[i].IsRate), Panels[i].Title, Panels[i].Color,
                Top + (i * (PanelHeight + Gap)) + 20, end);
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static List<(double Seconds, double Value)> Points(IReadOnlyList<Moment> moments, Func<Moment, double> value, bool isRate)
    {
        var points = new List<(double, double)>();
        var last = moments[0];
        foreach (var moment in moments)
        {
            if (!isRate)
            {
                points.Add((moment.Seconds, value(moment)));
            }
            else if (moment.Seconds - last.Seconds >= BucketSeconds)
            {
                points.Add((moment.Seconds, (value(moment) - value(last)) / (moment.Seconds - last.Seconds)));
                last = moment;
            }
        }

        return points;
    }

    private static void DrawPanel(
        StringBuilder svg, List<(double Seconds, double Value)> points, string title, string color, int top, double end)
    {
        var max = Math.Max(1, points.Count == 0 ? 1 : points.Max(point => point.Value));
        var (bottom, right) = (top + PanelHeight, Width - 30);
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left}\" y=\"{top - 6}\" fill=\"{color}\">{title}</text>\n");
        svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#555\"/>\n");
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<text x=\"{Left - 8}\" y=\"{top + 10}\" text-anchor=\"end\">{max:N0}</text>"
                + $"<text x=\"{Left - 8}\" y=\"{bottom}\" text-anchor=\"end\">0</text>\n");
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<text x=\"{right}\" y=\"{bottom + 16}\" text-anchor=\"end\">{end:0.0} s</text>\n"
                + $"<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" points=\"");
        foreach (var (seconds, value) in points)
        {
            svg.Append(
                CultureInfo.InvariantCulture, $"{Left + (seconds / end * (right - Left)):0.0},{bottom - (value / max * PanelHeight):0.0} ");
        }

        svg.Append("\"/>\n");
    }
}
