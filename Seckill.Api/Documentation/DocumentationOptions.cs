namespace Seckill.Api.Documentation;

/// <summary>Section <c>Documentation</c>: the API reference.</summary>
public sealed class DocumentationOptions
{
    public const string Section = "Documentation";

    /// <summary>Whether <c>/docs</c> and <c>/openapi/v1.json</c> are served; null: in Development only.</summary>
    public bool? Enabled { get; init; }
}
