using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;

namespace Seckill.Ordering.Store;

/// <summary>
/// Lets <c>dotnet ef migrations add</c> run without a server: <c>dotnet ef migrations add Name -p Seckill.Ordering -o Store/Migrations</c>.
/// </summary>
internal sealed class DesignTimeContextFactory : IDesignTimeDbContextFactory<OrderingDbContext>
{
    public OrderingDbContext CreateDbContext(string[] args) => new(
        new DbContextOptionsBuilder<OrderingDbContext>()
            .UseMySql("Server=localhost", new MySqlServerVersion(new Version(8, 0, 36)))
            .Options);
}
