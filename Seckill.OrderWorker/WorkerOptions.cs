using System.ComponentModel.DataAnnotations;
using Seckill.Ordering.Contract;
using Seckill.OrderWorker.Migrating;

namespace Seckill.OrderWorker;

/// <summary>Section <c>Worker</c>: all limits of the worker.</summary>
public sealed class WorkerOptions
{
    public const string Section = "Worker";

    /// <summary>Whether this worker brings MySQL's schema up to date when it starts.</summary>
    [EnumDataType(typeof(MigrationMode))]
    public MigrationMode Migrations { get; set; } = MigrationMode.OnStart;

    /// <summary>How long a process that only migrates keeps trying, seconds.</summary>
    [Range(1, 3_600)]
    public int MigrateOnlySecondsMax { get; set; } = 300;

    /// <summary>
    /// The MySQL account of the applications, as <c>seckill@%</c>. The worker that migrates grants it read and write rights, and on the
    /// audit only read and insert. Empty: no grants.
    /// </summary>
    [RegularExpression(
        ApplicationGrants.AccountPattern, ErrorMessage = "Worker:ApplicationAccount must be a MySQL account such as seckill@%.")]
    public string ApplicationAccount { get; set; } = "";

    /// <summary>Maximum number of orders in one MySQL transaction.</summary>
    [Range(1, 2_000)]
    public int BatchSizeMax { get; set; } = 500;

    /// <summary>
    /// Concurrent MySQL transactions of all workers on the queue together; each worker has at least one. A worker uses more than one only
    /// while full batches wait: one inserts while another commits. Batches are acked in the order of arrival.
    /// </summary>
    [Range(1, 16)]
    public int TransactionsMax { get; set; } = 2;

    /// <summary>
    /// Batches that look up their orders under the SKUs' locks, at startup and after anything unexpected, before batches are written the
    /// quick way again: a killed worker's orders, and refusals, tend to follow each other.
    /// </summary>
    [Range(0, 10_000)]
    public int LookUpsAfterSurprise { get; set; } = 16;

    /// <summary>How long a batch that is not full waits for more orders, milliseconds; 0 writes at once.</summary>
    [Range(0, 1_000)]
    public int BatchWaitMsMax { get; set; } = 5;

    /// <summary>
    /// Unacked messages that the broker may deliver. One batch is gathered while <see cref="TransactionsMax"/> are written and as many are
    /// settled or wait for it. With fewer messages the stages wait for each other; fewer than two batches fail validation. It counts
    /// messages, each of which may carry many orders: 64 from the gate, so 128,000 orders and some 30 MB of bodies at the default.
    /// </summary>
    [Range(2, ushort.MaxValue)]
    public int PrefetchCountMax { get; set; } = 2_000;

    /// <summary>
    /// Maximum bytes of unacked message bodies. When more arrive, the session ends and the next one uses a smaller prefetch that fits,
    /// because the broker counts messages, not bytes. At least one message of the largest size.
    /// </summary>
    [Range(OrderTopology.MessageBytesMax, int.MaxValue)]
    public int HeldBytesMax { get; set; } = 67_108_864;

    /// <summary>How long messages may be held without any ack before the worker reports itself unhealthy, milliseconds.</summary>
    [Range(1_000, 3_600_000)]
    public int NoAckMsMax { get; set; } = 15_000;

    /// <summary>Maximum number of orders per second written to MySQL; 0 for no ceiling.</summary>
    [Range(0, 1_000_000)]
    public int OrdersPerSecondMax { get; set; }

    /// <summary>
    /// Time from the writing of an order to its <c>expires_at</c>, minutes. Nothing in Seckill closes the order: see integration.md, "Your
    /// payment".
    /// </summary>
    [Range(1, 60 * 24 * 30)]
    public int PaymentWindowMinutes { get; set; } = 15;

    /// <summary>Time-out of one MySQL command, seconds.</summary>
    [Range(1, 600)]
    public int CommandTimeoutSeconds { get; set; } = 30;

    /// <summary>First wait after a failure of MySQL, Redis or RabbitMQ, milliseconds; doubles with each try.</summary>
    [Range(1, 60_000)]
    public int RetryDelayMs { get; set; } = 100;

    /// <summary>Longest wait between two tries, milliseconds.</summary>
    [Range(1, 60_000)]
    public int RetryDelayMsMax { get; set; } = 5_000;

    /// <summary>
    /// How long messages are held through an outage before they go back to the queue, minutes. Must be below the broker's consumer
    /// time-out (30 minutes by default), which would close the channel.
    /// </summary>
    [Range(1, 25)]
    public int HoldMinutesMax { get; set; } = 20;

    /// <summary>
    /// How long an order that MySQL or Redis refuses while it accepts others is retried, minutes; then it becomes a dead letter, once it
    /// has been refused at least ten times and others have been accepted since the last time.
    /// </summary>
    [Range(1, 1_440)]
    public int ParkedMinutesMax { get; set; } = 30;

    /// <summary>
    /// Deadline for connecting to RabbitMQ, declaring the route and starting the consumer together, milliseconds; then the next host of
    /// the connection string is tried.
    /// </summary>
    [Range(100, 60_000)]
    public int ConnectTimeoutMs { get; set; } = 5_000;

    /// <summary>
    /// Address of the broker's management plugin, such as <c>http://host:15672</c>, with or without an account; the account needs the tag
    /// <c>monitoring</c>. Empty: the queues' members are not checked.
    /// </summary>
    public string ManagementUrl { get; set; } = "";

    /// <summary>
    /// Longest wait for the broker's confirm of a dead letter, milliseconds. After that the message is left to the broker's own
    /// dead-lettering, since nothing behind it can be acked meanwhile.
    /// </summary>
    [Range(100, 60_000)]
    public int ConfirmTimeoutMs { get; set; } = 5_000;

    /// <summary>
    /// Time from the stop signal until the current batch is aborted, milliseconds; the process ends within one and a half times that. A run
    /// of the AppHost kills a process that has not stopped within 5 s.
    /// </summary>
    [Range(100, 300_000)]
    public int ShutdownTimeoutMs { get; set; } = 15_000;
}
