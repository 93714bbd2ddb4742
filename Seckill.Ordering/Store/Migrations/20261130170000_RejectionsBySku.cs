using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Seckill.Ordering.Store.Migrations
{
    /// <inheritdoc />
    public partial class RejectionsBySku : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // Not CreateIndex: a worker that dies between this and its entry in the history leaves the index, and the next one starts over.
            // MySQL, unlike MariaDB, has no CREATE INDEX IF NOT EXISTS.
            migrationBuilder.Sql("""
                SET @add_index = (SELECT IF(COUNT(*) = 0, 'CREATE INDEX ix_order_rejections_sku ON order_rejections (sku_id)', 'DO 0')
                  FROM information_schema.statistics
                  WHERE table_schema = DATABASE() AND table_name = 'order_rejections' AND index_name = 'ix_order_rejections_sku');
                PREPARE add_index FROM @add_index;
                EXECUTE add_index;
                DEALLOCATE PREPARE add_index;
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_order_rejections_sku",
                table: "order_rejections");
        }
    }
}
