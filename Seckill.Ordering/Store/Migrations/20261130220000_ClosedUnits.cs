using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Seckill.Ordering.Store.Migrations
{
    /// <inheritdoc />
    public partial class ClosedUnits : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // Not AddColumn: a worker that dies between this and its entry in the history leaves the column, and the next one starts over.
            // MySQL, unlike MariaDB, has no ADD COLUMN IF NOT EXISTS.
            migrationBuilder.Sql("""
                SET @add_column = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE seckill_sales ADD closed_units int NOT NULL DEFAULT 0', 'DO 0')
                  FROM information_schema.columns
                  WHERE table_schema = DATABASE() AND table_name = 'seckill_sales' AND column_name = 'closed_units');
                PREPARE add_column FROM @add_column;
                EXECUTE add_column;
                DEALLOCATE PREPARE add_column;
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "closed_units",
                table: "seckill_sales");
        }
    }
}
