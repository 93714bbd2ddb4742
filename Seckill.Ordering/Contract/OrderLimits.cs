namespace Seckill.Ordering.Contract;

/// <summary>The limits of one order, the same at the gate and in the worker.</summary>
public static class OrderLimits
{
    /// <summary>Maximum number of units in one order.</summary>
    public const int QuantityMax = 1_000;

    /// <summary>Maximum number of characters in a client_order_no; a UUID has 36.</summary>
    public const int ClientOrderNoLengthMax = 64;

    /// <summary>Describes what is wrong with an order's members; null when nothing is.</summary>
    public static string? Validate(long userId, long skuId, int quantity, string? clientOrderNo) =>
        userId <= 0 ? "user_id must be positive"
        : skuId <= 0 ? "sku_id must be positive"
        : quantity is < 1 or > QuantityMax ? $"quantity must be 1 to {QuantityMax}"
        : !IsClientOrderNo(clientOrderNo)
            ? $"client_order_no must be 1 to {ClientOrderNoLengthMax} letters, digits or any of . _ : -"
        : null;

    /// <summary>Allows only characters that reach Redis records and logs unescaped; null means "none given".</summary>
    private static bool IsClientOrderNo(string? value)
    {
        if (value is null)
        {
            return true;
        }

        if (value.Length is 0 or > ClientOrderNoLengthMax)
        {
            return false;
        }

        foreach (var c in value)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or ':' or '-'))
            {
                return false;
            }
        }

        return true;
    }
}
