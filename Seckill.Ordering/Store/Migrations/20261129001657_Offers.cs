using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Seckill.Ordering.Store.Migrations
{
    /// <inheritdoc />
    public partial class Offers : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // Not CreateTable: MySQL commits each statement, so it must be possible to start over after a process has died here.
            migrationBuilder.Sql(
                """
                CREATE TABLE IF NOT EXISTS `sku_offers` (
                    `sku_id` bigint NOT NULL,
                    `version` varchar(16) NOT NULL,
                    `price` decimal(18,2) NOT NULL,
                    `title` varchar(200) NOT NULL,
                    `image` varchar(500) NOT NULL,
                    `attrs` varchar(2000) NOT NULL,
                    `offered_at` datetime(6) NOT NULL,
                    CONSTRAINT `PK_sku_offers` PRIMARY KEY (`sku_id`, `version`)
                ) CHARACTER SET=utf8mb4
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "sku_offers");
        }
    }
}
