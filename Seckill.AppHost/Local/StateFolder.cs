using System.Text.Encodings.Web;
using System.Text.Json;
using Seckill.LocalServers;

namespace Seckill.AppHost.Local;

/// <summary>The git-ignored folder with everything that a local run keeps; held by one AppHost at a time.</summary>
internal sealed class StateFolder : IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        // A file for programs and people, not a web page: a plus sign may stay a plus sign.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly FileStream _lock;

    private StateFolder(string folder, FileStream heldLock)
    {
        Folder = folder;
        _lock = heldLock;
    }

    public string Folder { get; }

    private string AddressFile => Path.Combine(Folder, "local.json");

    /// <summary>Creates the folder and takes its lock, which the kernel gives back when we die, however we die.</summary>
    /// <exception cref="LocalServerException">Another AppHost has it.</exception>
    public static StateFolder Open(string folder)
    {
        Directory.CreateDirectory(folder);
        try
        {
            var heldLock = new FileStream(
                Path.Combine(folder, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            var state = new StateFolder(folder, heldLock);
            // From a run that was killed: its addresses lead nowhere.
            File.Delete(state.AddressFile);
            return state;
        }
        catch (IOException exception)
        {
            throw new LocalServerException($"already running in this checkout: stop the other one first ({folder} is in use)", exception);
        }
    }

    /// <summary>Data folder of a server. Each generation of servers has its own, because none reads what a newer one wrote.</summary>
    public string DataFolder(string server)
    {
        var today = Environment.GetEnvironmentVariable("SECKILL_SERVERS_ROOT") is { Length: > 0 };
        return Path.Combine(Folder, today ? "data-today" : "data", server);
    }

    /// <summary>Keeps the addresses for other programs (demo, bench, a person with a MySQL client) until the stop.</summary>
    public void Publish(LocalAddresses addresses) =>
        PrivateFile.Write(AddressFile, JsonSerializer.Serialize(addresses, Json) + "\n");

    public void Withdraw() => File.Delete(AddressFile);

    public void Dispose() => _lock.Dispose();
}

/// <summary>What <c>.seckill/local.json</c> holds.</summary>
/// <param name="Api">The gate's first replica.</param>
/// <param name="ApiReplicas">All replicas of the gate, the first one included.</param>
/// <param name="Console">The operator's console.</param>
/// <param name="OrderWorker">The worker's health endpoints.</param>
/// <param name="ConnectionStrings">By connection name, in the form that services take.</param>
/// <param name="Versions">Of the three servers, as they say themselves.</param>
/// <param name="Processes">Process ids by resource; <c>apphost</c> is the one to send SIGTERM to.</param>
/// <param name="Logs">Log files of the three servers.</param>
internal sealed record LocalAddresses(
    string Api,
    IReadOnlyList<string> ApiReplicas,
    string Console,
    string OrderWorker,
    IReadOnlyDictionary<string, string> ConnectionStrings,
    IReadOnlyDictionary<string, string> Versions,
    IReadOnlyDictionary<string, int> Processes,
    IReadOnlyDictionary<string, string> Logs);
