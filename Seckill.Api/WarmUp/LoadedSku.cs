namespace Seckill.Api.WarmUp;

/// <summary>The result of loading one SKU.</summary>
/// <param name="SkuId">The SKU.</param>
/// <param name="Loaded">True when its counter was set from MySQL, false when it was already running and was left alone.</param>
/// <param name="Stock">The counter, units.</param>
/// <param name="Epoch">The counter's epoch.</param>
public sealed record LoadedSku(long SkuId, bool Loaded, long Stock, long Epoch);
