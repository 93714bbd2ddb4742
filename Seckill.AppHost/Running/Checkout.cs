using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Seckill.LocalServers;

namespace Seckill.AppHost.Running;

/// <summary>
/// The git-ignored folder for all data of a run. Only one AppHost uses it at a time. While it runs, <c>local.json</c> tells other programs,
/// and anyone with a MySQL client, where everything is.
/// </summary>
internal sealed class Checkout : IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        // The file is not a web page, so a plus sign needs no escaping.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly FileStream _lock;

    private Checkout(string folder, FileStream heldLock)
    {
        AddressFile = Path.Combine(folder, "local.json");
        _lock = heldLock;
    }

    public string AddressFile { get; }

    /// <summary>Creates the folder and takes its lock. The kernel releases the lock however this process ends.</summary>
    /// <exception cref="LocalServerException">Another AppHost holds the lock.</exception>
    public static Checkout Open(string folder)
    {
        try
        {
            PrivateFile.MakeFolder(folder);
            var heldLock = new FileStream(Path.Combine(folder, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            var checkout = new Checkout(folder, heldLock);
            // A killed run leaves the file behind; its addresses are invalid.
            checkout.Withdraw();
            return checkout;
        }
        catch (IOException exception) when (File.Exists(Path.Combine(folder, "lock")))
        {
            throw new LocalServerException($"already running in this checkout: stop the other one first ({folder} is in use)", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LocalServerException($"the data folder {folder} cannot be used: {exception.Message}", exception);
        }
    }

    /// <summary>
    /// Writes the addresses; readers see the old file or the new one. The file contains secrets, so only its owner may read it.
    /// </summary>
    public void Publish(JsonObject addresses) => PrivateFile.Write(AddressFile, addresses.ToJsonString(Json) + "\n");

    public void Withdraw() => File.Delete(AddressFile);

    public void Dispose() => _lock.Dispose();
}
