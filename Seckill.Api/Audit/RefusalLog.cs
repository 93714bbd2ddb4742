using System.Globalization;
using System.Threading.Channels;
using Seckill.Ordering.Store;

namespace Seckill.Api.Audit;

/// <summary>
/// Refused calls to the operators' endpoints, queued for the audit log. A call with a login gets its own row, up to
/// <see cref="RowsPerMinuteMax"/>. Further calls, and calls without a login, share one row a minute, so that refused requests cannot fill a
/// disk. No request waits for the log.
/// </summary>
internal sealed partial class RefusalLog(AuditLog audit, TimeProvider time, ILogger<RefusalLog> logger) : BackgroundService
{
    public const string Refused = "refused";
    public const string Summary = "refused.summary";

    /// <summary>Maximum number of rows per minute and instance for calls with a login.</summary>
    public const int RowsPerMinuteMax = 60;

    private const int AddressesNamedMax = 10;
    private const int WaitingMax = 2 * RowsPerMinuteMax;
    private const int WriteTimeoutMs = 5_000;

    private static readonly TimeSpan SummaryEvery = TimeSpan.FromMinutes(1);

    private readonly Channel<OpsAuditEntry> _rows = Channel.CreateBounded<OpsAuditEntry>(WaitingMax);
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _addresses = [];
    private readonly Dictionary<int, int> _statuses = [];
    private int _rowsLeft = RowsPerMinuteMax;
    private int _elsewhere;
    private string _first = "";

    /// <summary>Records a refused call.</summary>
    public void Note(OperatorCall call, HttpRequest request, int status, string reason)
    {
        var what = $"{request.Method} {request.Path}";
        if (call.Scheme != OperatorCall.NoScheme && TryTakeRow() && _rows.Writer.TryWrite(EntryOf(call, Refused, what, "", status, reason)))
        {
            return;
        }

        Count(call.Address, status, what);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var writing = WriteRowsAsync();
        try
        {
            using var timer = new PeriodicTimer(SummaryEvery, time);
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await SummariseAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: the counted calls are still written.
        }

        _rows.Writer.TryComplete();
        await writing;
        await SummariseAsync();
    }

    /// <summary>Writes a summary of the calls that were only counted since the last one.</summary>
    internal async Task SummariseAsync()
    {
        OpsAuditEntry? summary;
        lock (_lock)
        {
            _rowsLeft = RowsPerMinuteMax;
            summary = _statuses.Count == 0 ? null : Describe();
            _addresses.Clear();
            _statuses.Clear();
            (_elsewhere, _first) = (0, "");
        }

        if (summary is not null)
        {
            await WriteAsync([summary]);
        }
    }

    private async Task WriteRowsAsync()
    {
        // Runs to the end even when stopping: queued rows are still written.
        while (await _rows.Reader.WaitToReadAsync(CancellationToken.None))
        {
            var rows = new List<OpsAuditEntry>();
            while (rows.Count < RowsPerMinuteMax && _rows.Reader.TryRead(out var row))
            {
                rows.Add(row);
            }

            await WriteAsync(rows);
        }
    }

    private async Task WriteAsync(List<OpsAuditEntry> rows)
    {
        using var deadline = new CancellationTokenSource(WriteTimeoutMs);
        try
        {
            await audit.WriteRefusalsAsync(rows, deadline.Token);
        }
        catch (Exception exception)
        {
            LogNotWritten(rows.Count, exception.GetBaseException().Message, rows[0].Target, rows[0].Address);
        }
    }

    private bool TryTakeRow()
    {
        lock (_lock)
        {
            return _rowsLeft > 0 && _rowsLeft-- > 0;
        }
    }

    private void Count(string address, int status, string what)
    {
        lock (_lock)
        {
            _first = _statuses.Count == 0 ? what : _first;
            _statuses[status] = _statuses.GetValueOrDefault(status) + 1;
            if (_addresses.Count < AddressesNamedMax || _addresses.ContainsKey(address))
            {
                _addresses[address] = _addresses.GetValueOrDefault(address) + 1;
            }
            else
            {
                _elsewhere++;
            }
        }
    }

    private OpsAuditEntry Describe()
    {
        var statuses = string.Join(", ", _statuses.OrderBy(one => one.Key).Select(one => Text($"{one.Value} × {one.Key}")));
        var addresses = string.Join(", ", _addresses.OrderByDescending(one => one.Value).Select(one => Text($"{one.Key} ({one.Value})")));
        var others = _elsewhere > 0 ? Text($", others ({_elsewhere})") : "";
        var call = new OperatorCall
        {
            Operator = "",
            Scheme = OperatorCall.NoScheme,
            Address = _addresses.MaxBy(one => one.Value).Key ?? "",
            TraceId = "",
        };
        return EntryOf(
            call, Summary, Text($"{_statuses.Values.Sum()} calls"), $"{statuses}; from {addresses}{others}; the first: {_first}",
            _statuses.MaxBy(one => one.Value).Key, "");
    }

    private OpsAuditEntry EntryOf(OperatorCall call, string action, string target, string detail, int status, string reason)
    {
        var now = time.GetUtcNow().UtcDateTime;
        return new OpsAuditEntry
        {
            At = now,
            Operator = call.Operator,
            Scheme = call.Scheme,
            Address = call.Address,
            Action = action,
            Target = AuditLog.Cut(target, OpsAuditEntry.TargetLengthMax),
            Detail = AuditLog.Cut(detail, OpsAuditEntry.DetailLengthMax),
            TraceId = call.TraceId,
            Outcome = new OpsAuditOutcome { At = now, Status = status, Reason = AuditLog.Cut(reason, OpsAuditOutcome.ReasonLengthMax) },
        };
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "{Count} refused calls to operators' endpoints were not audited: {Reason}; the first: {Target} from {Address}")]
    private partial void LogNotWritten(int count, string reason, string target, string address);
}
