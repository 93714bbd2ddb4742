using System.Collections;
using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Seckill.ServiceDefaults.Connections;

/// <summary>
/// Reads a date that does not exist as <see cref="DateTime.MinValue"/>, as the client's <c>ConvertZeroDateTime</c> does with a date of
/// zeros. Depending on its <c>sql_mode</c>, a server accepts others, such as 2026-00-15 or 2026-02-31. The client throws at them, and one
/// such row would keep all others from being read.
/// </summary>
internal sealed class ImpossibleDatesInterceptor : DbCommandInterceptor
{
    public override DbDataReader ReaderExecuted(DbCommand command, CommandExecutedEventData eventData, DbDataReader result) =>
        new Reader(result);

    public override ValueTask<DbDataReader> ReaderExecutedAsync(
        DbCommand command, CommandExecutedEventData eventData, DbDataReader result, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult<DbDataReader>(new Reader(result));

    /// <summary>The client's reader, except for its dates.</summary>
    private sealed class Reader(DbDataReader rows) : DbDataReader
    {
        public override int Depth => rows.Depth;

        public override int FieldCount => rows.FieldCount;

        public override bool HasRows => rows.HasRows;

        public override bool IsClosed => rows.IsClosed;

        public override int RecordsAffected => rows.RecordsAffected;

        public override object this[int ordinal] => rows[ordinal];

        public override object this[string name] => rows[name];

        public override DateTime GetDateTime(int ordinal)
        {
            try
            {
                return rows.GetDateTime(ordinal);
            }
            catch (FormatException)
            {
                return DateTime.MinValue;
            }
        }

        public override T GetFieldValue<T>(int ordinal) =>
            typeof(T) == typeof(DateTime) ? (T)(object)GetDateTime(ordinal) : rows.GetFieldValue<T>(ordinal);

        public override bool GetBoolean(int ordinal) => rows.GetBoolean(ordinal);

        public override byte GetByte(int ordinal) => rows.GetByte(ordinal);

        public override long GetBytes(int ordinal, long dataOffset, byte[]? buffer, int bufferOffset, int length) =>
            rows.GetBytes(ordinal, dataOffset, buffer, bufferOffset, length);

        public override char GetChar(int ordinal) => rows.GetChar(ordinal);

        public override long GetChars(int ordinal, long dataOffset, char[]? buffer, int bufferOffset, int length) =>
            rows.GetChars(ordinal, dataOffset, buffer, bufferOffset, length);

        public override string GetDataTypeName(int ordinal) => rows.GetDataTypeName(ordinal);

        public override decimal GetDecimal(int ordinal) => rows.GetDecimal(ordinal);

        public override double GetDouble(int ordinal) => rows.GetDouble(ordinal);

        public override IEnumerator GetEnumerator() => rows.GetEnumerator();

        public override Type GetFieldType(int ordinal) => rows.GetFieldType(ordinal);

        public override float GetFloat(int ordinal) => rows.GetFloat(ordinal);

        public override Guid GetGuid(int ordinal) => rows.GetGuid(ordinal);

        public override short GetInt16(int ordinal) => rows.GetInt16(ordinal);

        public override int GetInt32(int ordinal) => rows.GetInt32(ordinal);

        public override long GetInt64(int ordinal) => rows.GetInt64(ordinal);

        public override string GetName(int ordinal) => rows.GetName(ordinal);

        public override int GetOrdinal(string name) => rows.GetOrdinal(name);

        public override string GetString(int ordinal) => rows.GetString(ordinal);

        public override object GetValue(int ordinal) => rows.GetValue(ordinal);

        public override int GetValues(object[] values) => rows.GetValues(values);

        public override bool IsDBNull(int ordinal) => rows.IsDBNull(ordinal);

        public override bool Read() => rows.Read();

        public override Task<bool> ReadAsync(CancellationToken cancellationToken) => rows.ReadAsync(cancellationToken);

        public override bool NextResult() => rows.NextResult();

        public override Task<bool> NextResultAsync(CancellationToken cancellationToken) => rows.NextResultAsync(cancellationToken);

        public override void Close() => rows.Close();

        public override Task CloseAsync() => rows.CloseAsync();

        public override async ValueTask DisposeAsync()
        {
            await rows.DisposeAsync();
            await base.DisposeAsync();
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                rows.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
