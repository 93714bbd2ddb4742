using System.ComponentModel.DataAnnotations;

namespace Seckill.Api.Requests;

/// <summary>Section <c>Requests</c>: time limits for reading requests.</summary>
public sealed class BodyOptions
{
    public const string Section = "Requests";

    /// <summary>Time limit from the headers to the last byte of a body, ms. Bodies are small; only an attacker needs longer.</summary>
    [Range(10, 60_000)]
    public int BodyReadMsMax { get; init; } = 3_000;
}
