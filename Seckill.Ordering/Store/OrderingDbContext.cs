using Microsoft.EntityFrameworkCore;
using Seckill.Ordering.Contract;

namespace Seckill.Ordering.Store;

/// <summary>
/// The tables in MySQL. The batch writer inserts without the change tracker; all other code reads and migrates through this context.
/// </summary>
public sealed class OrderingDbContext(DbContextOptions<OrderingDbContext> options) : DbContext(options)
{
    /// <summary>Redis distinguishes "a" from "A"; the unique index on the click's number must do the same.</summary>
    private const string ByteWise = "utf8mb4_bin";

    public DbSet<Product> Products => Set<Product>();

    public DbSet<ProductSku> ProductSkus => Set<ProductSku>();

    public DbSet<SeckillSale> SeckillSales => Set<SeckillSale>();

    public DbSet<Order> Orders => Set<Order>();

    public DbSet<OrderItem> OrderItems => Set<OrderItem>();

    public DbSet<OrderRejection> OrderRejections => Set<OrderRejection>();

    public DbSet<SnowflakeNode> SnowflakeNodes => Set<SnowflakeNode>();

    public DbSet<OpsAuditEntry> OpsAudit => Set<OpsAuditEntry>();

    public DbSet<OpsAuditOutcome> OpsAuditOutcomes => Set<OpsAuditOutcome>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.HasCharSet("utf8mb4");
        MapCatalogue(modelBuilder);
        MapOrders(modelBuilder);
        modelBuilder.Entity<SnowflakeNode>(node =>
        {
            node.ToTable("snowflake_nodes").HasKey(n => n.Node);
            node.Property(n => n.Node).HasColumnName("node").ValueGeneratedNever();
            node.Property(n => n.Owner).HasColumnName("owner").HasMaxLength(64);
            node.Property(n => n.LeasedUntil).HasColumnName("leased_until");
        });
        MapAudit(modelBuilder);
    }

    private static void MapAudit(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<OpsAuditEntry>(entry =>
        {
            entry.ToTable("ops_audit");
            entry.Property(e => e.Id).HasColumnName("id");
            entry.Property(e => e.At).HasColumnName("at");
            entry.Property(e => e.Operator).HasColumnName("operator").HasMaxLength(OpsAuditEntry.OperatorLengthMax);
            entry.Property(e => e.Scheme).HasColumnName("scheme").HasMaxLength(OpsAuditEntry.SchemeLengthMax).HasDefaultValue("");
            entry.Property(e => e.Address).HasColumnName("address").HasMaxLength(OpsAuditEntry.AddressLengthMax).HasDefaultValue("");
            entry.Property(e => e.Action).HasColumnName("action").HasMaxLength(OpsAuditEntry.ActionLengthMax);
            entry.Property(e => e.Target).HasColumnName("target").HasMaxLength(OpsAuditEntry.TargetLengthMax);
            entry.Property(e => e.Detail).HasColumnName("detail").HasMaxLength(OpsAuditEntry.DetailLengthMax);
            entry.Property(e => e.TraceId).HasColumnName("trace_id").HasMaxLength(32);
            entry.HasOne(e => e.Outcome).WithOne().HasForeignKey<OpsAuditOutcome>(o => o.EntryId);
        });

        modelBuilder.Entity<OpsAuditOutcome>(outcome =>
        {
            outcome.ToTable("ops_audit_outcomes").HasKey(o => o.EntryId);
            outcome.Property(o => o.EntryId).HasColumnName("entry_id").ValueGeneratedNever();
            outcome.Property(o => o.At).HasColumnName("at");
            outcome.Property(o => o.Status).HasColumnName("status");
            outcome.Property(o => o.Reason).HasColumnName("reason").HasMaxLength(OpsAuditOutcome.ReasonLengthMax);
        });
    }

    private static void MapCatalogue(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Product>(product =>
        {
            product.ToTable("products");
            product.Property(p => p.Id).HasColumnName("id").ValueGeneratedNever();
            product.Property(p => p.Title).HasColumnName("title").HasMaxLength(200);
            product.Property(p => p.Description).HasColumnName("description").HasMaxLength(2000);
            product.Property(p => p.Image).HasColumnName("image").HasMaxLength(500);
        });

        modelBuilder.Entity<ProductSku>(sku =>
        {
            sku.ToTable("product_skus");
            sku.Property(s => s.Id).HasColumnName("id").ValueGeneratedNever();
            sku.Property(s => s.ProductId).HasColumnName("product_id");
            sku.Property(s => s.Title).HasColumnName("title").HasMaxLength(200);
            sku.Property(s => s.Price).HasColumnName("price").HasPrecision(18, 2);
            sku.Property(s => s.Stock).HasColumnName("stock");
            sku.Property(s => s.Image).HasColumnName("image").HasMaxLength(500);
            sku.Property(s => s.Attrs).HasColumnName("attrs").HasMaxLength(2000);
            sku.Property(s => s.GateEpoch).HasColumnName("gate_epoch").HasDefaultValue(0L);
            sku.Property(s => s.GateLoad).HasColumnName("gate_load");
            sku.HasOne(s => s.Product).WithMany(p => p.Skus).HasForeignKey(s => s.ProductId);
            sku.HasOne(s => s.Sale).WithOne().HasForeignKey<SeckillSale>(s => s.SkuId);
            // The database's own guard against overselling, independent of the code above it.
            sku.ToTable(t => t.HasCheckConstraint("ck_product_skus_stock", "stock >= 0"));
        });

        modelBuilder.Entity<SkuOffer>(offer =>
        {
            offer.ToTable("sku_offers").HasKey(o => new { o.SkuId, o.Version });
            offer.Property(o => o.SkuId).HasColumnName("sku_id");
            offer.Property(o => o.Version).HasColumnName("version").HasMaxLength(Offer.VersionLength);
            offer.Property(o => o.Price).HasColumnName("price").HasPrecision(18, 2);
            offer.Property(o => o.Title).HasColumnName("title").HasMaxLength(200);
            offer.Property(o => o.Image).HasColumnName("image").HasMaxLength(500);
            offer.Property(o => o.Attrs).HasColumnName("attrs").HasMaxLength(2000);
            offer.Property(o => o.OfferedAt).HasColumnName("offered_at");
        });

        modelBuilder.Entity<SeckillSale>(sale =>
        {
            sale.ToTable("seckill_sales").HasKey(s => s.SkuId);
            sale.Property(s => s.SkuId).HasColumnName("sku_id").ValueGeneratedNever();
            sale.Property(s => s.StartsAt).HasColumnName("starts_at");
            sale.Property(s => s.EndsAt).HasColumnName("ends_at");
            sale.Property(s => s.LimitPerUser).HasColumnName("limit_per_user");
            sale.Property(s => s.LimitHighest).HasColumnName("limit_highest");
            sale.Property(s => s.ListPrice).HasColumnName("list_price").HasPrecision(18, 2).HasDefaultValue(0m);
            sale.Property(s => s.Paused).HasColumnName("paused").HasDefaultValue(false);
            sale.Property(s => s.TokenRequired).HasColumnName("token_required").HasDefaultValue(false);
            sale.Property(s => s.Units).HasColumnName("units");
            sale.Property(s => s.ClosedUnits).HasColumnName("closed_units").HasDefaultValue(0);
        });
    }

    private static void MapOrders(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Order>(order =>
        {
            order.ToTable("orders");
            order.Property(o => o.Id).HasColumnName("id").ValueGeneratedNever();
            order.Property(o => o.OrderSn).HasColumnName("order_sn").HasMaxLength(32);
            order.Property(o => o.UserId).HasColumnName("user_id");
            order.Property(o => o.ClientOrderNo).HasColumnName("client_order_no").HasMaxLength(64).UseCollation(ByteWise);
            order.Property(o => o.Status).HasColumnName("status");
            order.Property(o => o.TotalAmount).HasColumnName("total_amount").HasPrecision(18, 2);
            order.Property(o => o.PayAmount).HasColumnName("pay_amount").HasPrecision(18, 2);
            order.Property(o => o.GateEpoch).HasColumnName("gate_epoch");
            order.Property(o => o.TraceId).HasColumnName("trace_id").HasMaxLength(32);
            order.Property(o => o.ReservedAt).HasColumnName("reserved_at");
            order.Property(o => o.PickedUpAt).HasColumnName("picked_up_at");
            order.Property(o => o.CreatedAt).HasColumnName("created_at");
            order.Property(o => o.ExpiresAt).HasColumnName("expires_at");
            order.HasIndex(o => o.OrderSn).IsUnique().HasDatabaseName("ux_orders_order_sn");
            // One order for each click, whatever else is lost: many orders may have no number, but no two may share one.
            order.HasIndex(o => new { o.UserId, o.ClientOrderNo }).IsUnique().HasDatabaseName("ux_orders_user_click");
            order.HasMany(o => o.Items).WithOne().HasForeignKey(i => i.OrderId);
        });

        modelBuilder.Entity<OrderItem>(item =>
        {
            item.ToTable("order_items");
            item.Property(i => i.Id).HasColumnName("id");
            item.Property(i => i.OrderId).HasColumnName("order_id");
            item.Property(i => i.UserId).HasColumnName("user_id");
            item.Property(i => i.ProductId).HasColumnName("product_id");
            item.Property(i => i.SkuId).HasColumnName("sku_id");
            item.Property(i => i.Title).HasColumnName("title").HasMaxLength(200);
            item.Property(i => i.Image).HasColumnName("image").HasMaxLength(500);
            item.Property(i => i.Price).HasColumnName("price").HasPrecision(18, 2);
            item.Property(i => i.Quantity).HasColumnName("quantity");
            item.Property(i => i.Attrs).HasColumnName("attrs").HasMaxLength(2000);
            // SKU first: serves a buyer's query for one SKU and also reconciling's sum over a SKU.
            item.HasIndex(i => new { i.SkuId, i.UserId }).HasDatabaseName("ix_order_items_sku_user");
        });

        modelBuilder.Entity<OrderRejection>(rejection =>
        {
            rejection.ToTable("order_rejections").HasKey(r => r.OrderId);
            rejection.Property(r => r.OrderId).HasColumnName("order_id").ValueGeneratedNever();
            rejection.Property(r => r.UserId).HasColumnName("user_id");
            rejection.Property(r => r.SkuId).HasColumnName("sku_id");
            rejection.Property(r => r.Quantity).HasColumnName("quantity");
            rejection.Property(r => r.ClientOrderNo).HasColumnName("client_order_no").HasMaxLength(64).UseCollation(ByteWise);
            rejection.Property(r => r.Reason).HasColumnName("reason").HasMaxLength(500);
            rejection.Property(r => r.TraceId).HasColumnName("trace_id").HasMaxLength(32);
            rejection.Property(r => r.CreatedAt).HasColumnName("created_at");
            rejection.HasIndex(r => new { r.UserId, r.SkuId }).HasDatabaseName("ix_order_rejections_user_sku");
            // A load reads all order ids of a SKU, which InnoDB appends to the entries as the primary key.
            rejection.HasIndex(r => r.SkuId).HasDatabaseName("ix_order_rejections_sku");
        });
    }
}
