using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Seckill.Api.Errors;

namespace Seckill.Api.Requests;

/// <summary>The query parameter <c>take</c> of the operators' lists: the maximum number of items.</summary>
internal static class TakeParameter
{
    public static bool TryRead(string? text, int byDefault, int max, out int count, [NotNullWhen(false)] out ErrorResult? error)
    {
        count = byDefault;
        error = text is null
            || (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count >= 1 && count <= max)
            ? null
            : ErrorResult.BadRequest(string.Create(CultureInfo.InvariantCulture, $"take must be 1 to {max}"));
        return error is null;
    }
}
