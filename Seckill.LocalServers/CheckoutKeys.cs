using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;

namespace Seckill.LocalServers;

/// <summary>
/// The keys of this checkout's systems in Development: generated at random on first use and kept beside the data, readable by their owner
/// only. Applications that are started by hand find the file by themselves.
/// </summary>
public static class CheckoutKeys
{
    private const string Folder = ".seckill";
    private const string FileName = "keys.json";
    private const int KeyHexLength = 64;
    private const int OthersKeysWaitMsMax = 5_000;
    private const int OthersKeysPollMs = 10;

    private static readonly Lazy<Keys> Kept = new(() => Read(Path.Combine(Repository.Root, Folder)));

    /// <summary>Signs the buyers' and the operators' tokens.</summary>
    public static string SigningKey => Kept.Value.Auth.SigningKey;

    /// <summary>The key of the operations endpoints, for machines.</summary>
    public static string OpsKey => Kept.Value.Ops.Key;

    /// <summary>Both are settings of the applications, so the file has the format of their configuration.</summary>
    internal sealed record Keys(AuthKeys Auth, OpsKeys Ops);

    internal sealed record AuthKeys(string SigningKey);

    internal sealed record OpsKeys(string Key);

    /// <summary>Reads the file in a folder, or creates it.</summary>
    /// <exception cref="LocalServerException">The file exists but cannot be read.</exception>
    internal static Keys Read(string folder)
    {
        var file = Path.Combine(folder, FileName);
        try
        {
            if (!File.Exists(file))
            {
                Make(folder, file);
            }

            return JsonSerializer.Deserialize<Keys>(File.ReadAllText(file)) is { Auth.SigningKey: not null, Ops.Key: not null } keys
                ? keys
                : throw new JsonException("a key is missing");
        }
        catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new LocalServerException($"{file} cannot be used ({exception.Message}): delete it to get new keys", exception);
        }
    }

    private static void Make(string folder, string file)
    {
        PrivateFile.CreateFolder(folder);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        // Only the holder of the lock creates the file: a move without overwriting checks first and then moves, so two of them may both
        // succeed. The lock ends with its process. The lock file is deleted once the keys exist, because nobody creates them any more.
        var waited = Stopwatch.StartNew();
        while (!File.Exists(file))
        {
            try
            {
                using var claim = new FileStream(file + ".lock", FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
                if (!File.Exists(file))
                {
                    Write(folder, file, options);
                }

                File.Delete(claim.Name);
            }
            catch (IOException) when (waited.ElapsedMilliseconds < OthersKeysWaitMsMax)
            {
                // Another process holds the lock; its keys will be used.
                Thread.Sleep(OthersKeysPollMs);
            }
        }
    }

    /// <summary>Readers see either no file or a complete one.</summary>
    private static void Write(string folder, string file, FileStreamOptions options)
    {
        var unfinished = Path.Combine(folder, Path.GetRandomFileName());
        using (var writer = new StreamWriter(unfinished, options))
        {
            writer.Write(JsonSerializer.Serialize(new Keys(new AuthKeys(RandomKey()), new OpsKeys(RandomKey()))));
        }

        File.Move(unfinished, file);
    }

    private static string RandomKey() => RandomNumberGenerator.GetHexString(KeyHexLength, lowercase: true);
}
