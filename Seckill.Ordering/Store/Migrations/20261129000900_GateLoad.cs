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
            // A worker that dies between this and its line in the history leaves the column, and the next one begins again. MySQL, unlike
            // MariaDB, has no ADD COLUMN IF NOT EXISTS.
            migrationBuilder.Sql("""
                SET @gate_load = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE product_skus ADD gate_load bigint NULL', 'DO 0')
                  FROM information_schema.columns
                  WHERE table_schema = DATABASE() AND table_name = 'product_skus' AND column_name = 'gate_load');
                PREPARE gate_load FROM @gate_load;
                EXECUTE gate_load;
                DEALLOCATE PREPARE gate_load;
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropColumn(
                name: "gate_load",
                table: "product_skus");
        }
    }
}
