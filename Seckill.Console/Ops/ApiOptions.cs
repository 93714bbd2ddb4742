using System.ComponentModel.DataAnnotations;

namespace Seckill.Console.Ops;

/// <summary>Section <c>Api</c>: where the Api is.</summary>
public sealed class ApiOptions
{
    public const string Section = "Api";

    /// <summary>Base address of an Api instance, or of a load balancer in front of several.</summary>
    [Required]
    public Uri? Url { get; init; }
}
