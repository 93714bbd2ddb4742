using System.ComponentModel.DataAnnotations;

namespace Seckill.Api.Tokens;

/// <summary>Section <c>Limits</c>: purchase tokens.</summary>
public sealed class PurchaseTokenOptions
{
    public const string Section = "Limits";

    /// <summary>How long a purchase token is valid, s.</summary>
    [Range(1, 3_600)]
    public int PurchaseTokenSeconds { get; init; } = 60;
}
