using System.ComponentModel.DataAnnotations;

namespace Seckill.Api.Retention;

/// <summary>
/// Section <c>Retention</c>: how long MySQL keeps personal data, 30 days at least. 0 keeps it forever, which is the default.
/// </summary>
public sealed class RetentionOptions : IValidatableObject
{
    public const string Section = "Retention";

    /// <summary>The shortest period, days: for that long after its end, a sale may still be reviewed, restored or disputed.</summary>
    private const int DaysMin = 30;

    /// <summary>
    /// Days after the end of its sale, or after its SKU's last order if that is later, that an order keeps its buyer; then the user id
    /// becomes 0 and the click's number is removed. The order, its items and amounts stay.
    /// </summary>
    [Range(0, 36_500)]
    public int OrderBuyerDays { get; init; }

    /// <summary>
    /// Days that an order's rejection is kept, counted from the end of its sale, or from its SKU's last order, if that is later.
    /// </summary>
    [Range(0, 36_500)]
    public int RejectionDays { get; init; }

    /// <summary>
    /// Days that the audit log is kept. Needs the right to delete from it, which the application's account should not have: see
    /// docs/security.md.
    /// </summary>
    [Range(0, 36_500)]
    public int AuditDays { get; init; }

    /// <summary>Minutes between two checks for data that is due.</summary>
    [Range(1, 1_440)]
    public int EveryMinutes { get; init; } = 60;

    /// <summary>Maximum number of rows in one statement: a small one delays no other transaction.</summary>
    [Range(1, 10_000)]
    public int BatchSizeMax { get; init; } = 500;

    /// <summary>Pause between two statements, ms.</summary>
    [Range(0, 60_000)]
    public int PauseMs { get; init; } = 200;

    public bool Enabled => OrderBuyerDays > 0 || RejectionDays > 0 || AuditDays > 0;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        new[] { OrderBuyerDays, RejectionDays, AuditDays }.Any(days => days is > 0 and < DaysMin)
            ? [new ValidationResult($"Retention: days must be 0 (keep forever) or at least {DaysMin}.")]
            : [];
}
