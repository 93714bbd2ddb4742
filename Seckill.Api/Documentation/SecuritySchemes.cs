using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using Seckill.Api.Auth;

namespace Seckill.Api.Documentation;

/// <summary>Documents in OpenAPI how to log in, and which calls require it.</summary>
internal static class SecuritySchemes
{
    private const string Bearer = "bearer";
    private const string OpsKey = "ops_key";

    public static OpenApiOptions AddSecuritySchemes(this OpenApiOptions options)
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Components ??= new OpenApiComponents();
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                [Bearer] = new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.Http,
                    Scheme = Bearer,
                    BearerFormat = "JWT",
                    Description = "The buyer's or operator's token from your login.",
                },
                [OpsKey] = new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.ApiKey,
                    In = ParameterLocation.Header,
                    Name = OpsKeyAuthentication.Header,
                    Description = "The operators' key, for machines.",
                },
            };
            return Task.CompletedTask;
        });
        return options.AddOperationTransformer((operation, context, _) =>
        {
            var policies = context.Description.ActionDescriptor.EndpointMetadata.OfType<IAuthorizeData>().ToArray();
            if (policies.Length > 0)
            {
                string[] schemes = policies.Any(policy => policy.Policy == LoginState.OperatorPolicy) ? [Bearer, OpsKey] : [Bearer];
                // A separate requirement for each scheme: any one of them is enough.
                operation.Security = [.. schemes.Select(scheme => new OpenApiSecurityRequirement
                {
                    [new OpenApiSecuritySchemeReference(scheme, context.Document)] = [],
                })];
            }

            return Task.CompletedTask;
        });
    }
}
