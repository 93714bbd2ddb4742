namespace Seckill.Ordering.Ledger;

/// <summary>The scripts that orders go through.</summary>
internal sealed record LedgerScripts(LedgerScript Reserve, LedgerScript Settle, LedgerScript Warm, LedgerScript Due)
{
    /// <summary>Reads the .lua files that are embedded in the assembly.</summary>
    public static LedgerScripts Load() => new(new(Text("reserve.lua")), new(Text("settle.lua")), new(Text("warm.lua")), new(Text("due.lua")));

    internal static string Text(string name)
    {
        using var stream = typeof(LedgerScripts).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The resource {name} is missing from the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
