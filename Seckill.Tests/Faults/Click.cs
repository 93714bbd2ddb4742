namespace Seckill.Tests.Faults;

/// <summary>One click on "buy", as a page sends it and repeats it with the same number until it has an answer.</summary>
internal sealed record Click(long UserId, string Token, long SkuId, int Quantity, string Number);
