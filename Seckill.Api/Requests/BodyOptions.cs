using System.ComponentModel.DataAnnotations;

namespace Seckill.Api.Requests;

/// <summary>Section <c>Requests</c>: how long a client may take to say what it wants.</summary>
public sealed class BodyOptions
{
    public const string Section = "Requests";

    /// <summary>From the headers to the last byte of a body, ms. A body is small: only who lies in wait needs longer.</summary>
    [Range(10, 60_000)]
    public int BodyReadMsMax { get; init; } = 3_000;
}
