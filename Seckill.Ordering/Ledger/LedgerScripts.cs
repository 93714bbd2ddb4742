namespace Seckill.Ordering.Ledger;

/// <summary>The scripts of the order path, and those of a load.</summary>
internal sealed record LedgerScripts(LedgerScript Reserve, LedgerScript Settle, LedgerScript Warm, LedgerScript Due, LedgerScript Restore)
{
    /// <summary>Reads the .lua files that are embedded in the assembly.</summary>
    public static LedgerScripts Load() =>
        new(new(WithRecords("reserve.lua")), new(WithRecords("settle.lua")), new(WithRecords("warm.lua")), new(Text("due.lua")),
            new(WithRecords("restore.lua")));

    /// <summary>The text of a script that reads or writes records, after the functions of record.lua.</summary>
    internal static string WithRecords(string name) => Text("record.lua") + Text(name);

    internal static string Text(string name)
    {
        using var stream = typeof(LedgerScripts).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The resource {name} is missing from the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
