using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Seckill.Ordering.Store.Migrations
{
    /// <inheritdoc />
    public partial class GateLoad : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            AddColumn(migrationBuilder, "product_skus", "gate_load", "bigint NULL");
            AddColumn(migrationBuilder, "seckill_sales", "limit_highest", "int NULL");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "gate_load",
                table: "product_skus");

            migrationBuilder.DropColumn(
                name: "limit_highest",
                table: "seckill_sales");
        }

        /// <summary>
        /// A worker that dies between this and its entry in the history leaves the column, and the next one starts over. MySQL, unlike
        /// MariaDB, has no ADD COLUMN IF NOT EXISTS.
        /// </summary>
        private static void AddColumn(MigrationBuilder migrationBuilder, string table, string column, string type)
        {
            migrationBuilder.Sql($"""
                SET @add_column = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE {table} ADD {column} {type}', 'DO 0')
                  FROM information_schema.columns
                  WHERE table_schema = DATABASE() AND table_name = '{table}' AND column_name = '{column}');
                PREPARE add_column FROM @add_column;
                EXECUTE add_column;
                DEALLOCATE PREPARE add_column;
                """);
        }
    }
}
