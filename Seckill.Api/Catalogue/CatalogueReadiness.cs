using Seckill.Api.Errors;

namespace Seckill.Api.Catalogue;

internal static class CatalogueReadiness
{
    /// <summary>
    /// Answers 503 <c>warming up</c> until the sales have been read from MySQL for the first time. Otherwise an instance that has just
    /// started would answer "no sale", "no order" or "all is well" without having looked.
    /// </summary>
    public static TBuilder NeedsSales<TBuilder>(this TBuilder route) where TBuilder : IEndpointConventionBuilder =>
        route.AddEndpointFilter(async (invocation, next) =>
        {
            var catalogue = invocation.HttpContext.RequestServices.GetRequiredService<SaleCatalogue>();
            return catalogue.Loaded ? await next(invocation) : ErrorResult.WarmingUp;
        });
}
