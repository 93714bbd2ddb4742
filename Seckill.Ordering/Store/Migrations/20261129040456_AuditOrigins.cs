using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Seckill.Ordering.Store.Migrations
{
    /// <inheritdoc />
    public partial class AuditOrigins : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // Each statement can be repeated: MySQL commits each one separately, and a process may die after any of them.
            migrationBuilder.Sql("ALTER TABLE ops_audit MODIFY `operator` varchar(255) CHARACTER SET utf8mb4 NOT NULL");
            AddColumn(migrationBuilder, "scheme", "varchar(16)");
            AddColumn(migrationBuilder, "address", "varchar(45)");
            migrationBuilder.Sql(
                """
                CREATE TABLE IF NOT EXISTS `ops_audit_outcomes` (
                    `entry_id` bigint NOT NULL,
                    `at` datetime(6) NOT NULL,
                    `status` int NOT NULL,
                    `reason` varchar(200) NOT NULL,
                    CONSTRAINT `PK_ops_audit_outcomes` PRIMARY KEY (`entry_id`),
                    CONSTRAINT `FK_ops_audit_outcomes_ops_audit_entry_id` FOREIGN KEY (`entry_id`) REFERENCES `ops_audit` (`id`)
                        ON DELETE CASCADE
                ) CHARACTER SET=utf8mb4
                """);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "ops_audit_outcomes");

            migrationBuilder.DropColumn(
                name: "address",
                table: "ops_audit");

            migrationBuilder.DropColumn(
                name: "scheme",
                table: "ops_audit");

            migrationBuilder.Sql("ALTER TABLE ops_audit MODIFY `operator` varchar(64) CHARACTER SET utf8mb4 NOT NULL");
        }

        /// <summary>MySQL, unlike MariaDB, has no ADD COLUMN IF NOT EXISTS.</summary>
        private static void AddColumn(MigrationBuilder migrationBuilder, string column, string type)
        {
            migrationBuilder.Sql($"""
                SET @add_column = (SELECT IF(COUNT(*) = 0,
                    'ALTER TABLE ops_audit ADD {column} {type} CHARACTER SET utf8mb4 NOT NULL DEFAULT ''''', 'DO 0')
                  FROM information_schema.columns
                  WHERE table_schema = DATABASE() AND table_name = 'ops_audit' AND column_name = '{column}');
                PREPARE add_column FROM @add_column;
                EXECUTE add_column;
                DEALLOCATE PREPARE add_column;
                """);
        }
    }
}
