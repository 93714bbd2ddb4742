using System.ComponentModel.DataAnnotations;
using Seckill.Ordering.Contract;
using Seckill.OrderWorker.Migrating;

namespace Seckill.OrderWorker;

/// <summary>Section <c>Worker</c>: every bound of the worker.</summary>
public sealed class WorkerOptions
{
    public const string Section = "Worker";

    /// <summary>Whether this worker brings MySQL's schema up to date when it starts.</summary>
    [EnumDataType(typeof(MigrationMode))]
    public MigrationMode Migrations { get; set; } = MigrationMode.OnStart;

    /// <summary>How long a process that only migrates goes on trying, seconds.</summary>
    [Range(1, 3_600)]
    public int MigrateOnlySecondsMax { get; set; } = 300;

    /// <summary>
    /// The MySQL account of the applications, as <c>seckill@%</c>: the worker that migrates grants it the rights that it needs, and on
    /// the audit only the right to add. Empty grants none.
    /// </summary>
    [RegularExpression(
        ApplicationGrants.AccountPattern, ErrorMessage = "Worker:ApplicationAccount must be a MySQL account such as seckill@%.")]
    public string ApplicationAccount { get; set; } = "";

    /// <summary>Orders in one MySQL transaction.</summary>
    [Range(1, 2_000)]
    public int BatchSizeMax { get; set; } = 500;

    /// <summary>
    /// MySQL transactions at once of all workers on the queue together, of which each has at least one. More than one in a worker only
    /// while full batches wait: one inserts while another commits. Their batches are acked in the order of arrival.
    /// </summary>
    [Range(1, 16)]
    public int TransactionsMax { get; set; } = 2;

    /// <summary>
    /// Batches that look up their orders under the SKUs' locks, at the start and after anything unexpected, before batches are written the
    /// quick way again: a killed worker's orders, and refusals, come in a row.
    /// </summary>
    [Range(0, 10_000)]
    public int LookUpsAfterSurprise { get; set; } = 16;

    /// <summary>How long a batch that is not full waits for company, milliseconds; 0 writes at once.</summary>
    [Range(0, 1_000)]
    public int BatchWaitMsMax { get; set; } = 5;

    /// <summary>
    /// Messages that the broker hands out ahead of their acks. One batch is gathered while <see cref="TransactionsMax"/> are written and
    /// as many are settled or wait for it; with fewer messages than that one waits for another, and less than two batches are refused. It
    /// counts messages, each of which may carry many orders: 64 from the gate, so 128,000 orders and some 30 MB of bodies at the default.
    /// </summary>
    [Range(2, ushort.MaxValue)]
    public int PrefetchCountMax { get; set; } = 2_000;

    /// <summary>
    /// Bytes of message bodies at hand. When more come, the session ends and the next takes as few messages ahead as have room, for the
    /// broker counts messages, not bytes. At least one of the largest size.
    /// </summary>
    [Range(OrderTopology.MessageBytesMax, int.MaxValue)]
    public int HeldBytesMax { get; set; } = 67_108_864;

    /// <summary>How long nothing may be acked while messages are at hand before the worker calls itself unhealthy, milliseconds.</summary>
    [Range(1_000, 3_600_000)]
    public int NoAckMsMax { get; set; } = 15_000;

    /// <summary>Orders a second that MySQL is to see at most; 0 for no ceiling.</summary>
    [Range(0, 1_000_000)]
    public int OrdersPerSecondMax { get; set; }

    /// <summary>How long a buyer may leave an order unpaid, minutes.</summary>
    [Range(1, 60 * 24 * 30)]
    public int PaymentWindowMinutes { get; set; } = 15;

    /// <summary>One MySQL command, seconds.</summary>
    [Range(1, 600)]
    public int CommandTimeoutSeconds { get; set; } = 30;

    /// <summary>First wait after trouble with MySQL, Redis or RabbitMQ, milliseconds; doubles with each try.</summary>
    [Range(1, 60_000)]
    public int RetryDelayMs { get; set; } = 100;

    /// <summary>Longest wait between two tries, milliseconds.</summary>
    [Range(1, 60_000)]
    public int RetryDelayMsMax { get; set; } = 5_000;

    /// <summary>
    /// How long messages are held through an outage before they go back to the queue, minutes. Below the broker's consumer time-out (30
    /// minutes unless set otherwise), which would close the channel.
    /// </summary>
    [Range(1, 25)]
    public int HoldMinutesMax { get; set; } = 20;

    /// <summary>
    /// How long an order that MySQL or Redis refuses while it takes others is tried again, minutes; then it becomes a dead letter.
    /// </summary>
    [Range(1, 1_440)]
    public int ParkedMinutesMax { get; set; } = 30;

    /// <summary>
    /// Connecting to RabbitMQ, declaring the route and consuming, all together, milliseconds; then the next host of the connection string
    /// is tried.
    /// </summary>
    [Range(100, 60_000)]
    public int ConnectTimeoutMs { get; set; } = 5_000;

    /// <summary>
    /// Address of the broker's management plugin, such as <c>http://host:15672</c>: its account, which may be named in it, needs the tag
    /// <c>monitoring</c>. Empty: the queues' members are not checked.
    /// </summary>
    public string ManagementUrl { get; set; } = "";

    /// <summary>
    /// Wait for the broker's confirm of a dead letter, milliseconds. After that the message is left to the broker's own dead-lettering,
    /// since nothing behind it can be acked meanwhile.
    /// </summary>
    [Range(100, 60_000)]
    public int ConfirmTimeoutMs { get; set; } = 5_000;

    /// <summary>
    /// From the stop signal until the batch in hand is given up, milliseconds; the process ends within one and a half times that.
    /// </summary>
    [Range(100, 300_000)]
    public int ShutdownTimeoutMs { get; set; } = 15_000;
}
