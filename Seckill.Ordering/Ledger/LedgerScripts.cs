namespace Seckill.Ordering.Ledger;

/// <summary>The texts of the scripts. One string each for the life of the program: the client loads it once and sends its hash from then on.</summary>
internal sealed record LedgerScripts(string Reserve, string Settle, string Warm)
{
    /// <summary>Reads the .lua files that are embedded in the assembly.</summary>
    public static LedgerScripts Load() => new(Text("reserve.lua"), Text("settle.lua"), Text("warm.lua"));

    internal static string Text(string name)
    {
        using var stream = typeof(LedgerScripts).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The resource {name} is missing from the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
