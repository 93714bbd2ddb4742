using System.ComponentModel.DataAnnotations;

namespace Seckill.Api.Tokens;

/// <summary>What concerns purchase tokens in section <c>Limits</c>.</summary>
public sealed class PurchaseTokenOptions
{
    public const string Section = "Limits";

    /// <summary>How long a purchase token is good for, s.</summary>
    [Range(1, 3_600)]
    public int PurchaseTokenSeconds { get; init; } = 60;
}
