using System.CommandLine;

namespace Seckill.Bench;

/// <summary>An option that takes a number from 1 to a maximum, and says so.</summary>
internal static class NumberOption
{
    public static Option<int> Create(string name, string description, int value, int max)
    {
        var option = new Option<int>(name) { Description = $"{description} 1 to {max:N0}.", DefaultValueFactory = _ => value };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var given) && (given < 1 || given > max))
            {
                result.AddError($"{name} must be 1 to {max}, not {given}.");
            }
        });
        return option;
    }
}
