using System.ComponentModel.DataAnnotations;

namespace Seckill.Console.Ops;

/// <summary>Section <c>Api</c>: where the Api is.</summary>
public sealed class ApiOptions : IValidatableObject
{
    public const string Section = "Api";

    /// <summary>Base address of an Api instance, or of a load balancer in front of several, such as <c>http://api:8080</c>.</summary>
    [Required]
    public Uri? Url { get; init; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        // Without a scheme, api:8080 would be an address of the scheme "api".
        if (Url is not null && !(Url.IsAbsoluteUri && (Url.Scheme == Uri.UriSchemeHttp || Url.Scheme == Uri.UriSchemeHttps)))
        {
            yield return new ValidationResult(
                $"Api:Url: '{Url.OriginalString}' is not an http(s) address such as http://api:8080.", [nameof(Url)]);
        }
    }
}
