using Microsoft.Extensions.Diagnostics.HealthChecks;
using Seckill.Api;
using Seckill.Api.Audit;
using Seckill.Api.Auth;
using Seckill.Api.Baseline;
using Seckill.Api.Catalogue;
using Seckill.Api.DeadLetters;
using Seckill.Api.Documentation;
using Seckill.Api.Edge;
using Seckill.Api.Errors;
using Seckill.Api.Limits;
using Seckill.Api.Orders;
using Seckill.Api.OrderSearch;
using Seckill.Api.Page;
using Seckill.Api.Push;
using Seckill.Api.Reconciliation;
using Seckill.Api.Requests;
using Seckill.Api.Sales;
using Seckill.Api.Tokens;
using Seckill.Api.WarmUp;
using Seckill.Ordering;
using Seckill.Ordering.Store;
using Seckill.Ordering.Telemetry;
using Seckill.ServiceDefaults.Connections;
using Seckill.ServiceDefaults.Login;

var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, WebRootPath = PageRegistration.Root });
builder.WebHost.ConfigureKestrel(KestrelLimits.Apply);
builder.AddServiceDefaults();
builder.AddConnectionDraining();

try
{
    // Orders are accepted while RabbitMQ or MySQL is down (they wait in the outbox), so only Redis makes an instance unhealthy.
    builder.AddRedis();
    builder.AddRabbitMQ(HealthStatus.Degraded);
    builder.AddMySql<OrderingDbContext>(HealthStatus.Degraded);
}
catch (ConnectionStringException refused)
{
    return await refused.EndAsync();
}

builder.Services.AddOrdering();

builder.Services.AddEdge();
builder.Services.AddLimits();
builder.Services.AddOptions<BodyOptions>().BindConfiguration(BodyOptions.Section).ValidateDataAnnotations().ValidateOnStart();
builder.Services.AddPurchaseTokens();
builder.Services.AddProblems();
builder.Services.AddLoginState();
builder.Services.AddDocumentation();
builder.Services.AddCatalogue();
builder.Services.AddPublishing();
builder.Services.AddGate();
builder.Services.AddPush();
builder.Services.AddReconciliation();
builder.Services.AddRetention();
builder.Services.AddSingleton<MySqlReadLimiter>();
builder.Services.AddSingleton<OrderStatusReader>();
builder.Services.AddSingleton<OrderHistory>();
builder.Services.AddAudit();
builder.Services.AddDeadLetters();
builder.Services.AddSales();
builder.Services.AddSingleton<OrderFinder>();
builder.Services.AddPulse(InstancePulse.Api);

var app = builder.Build();
app.UseEdge();
app.UseExceptionHandler();
app.UsePage();
app.MapDefaultEndpoints();
app.UseFrontLimits();
app.UseOutcomeSockets();
app.UseAuditTrail();
app.UseCrossSiteGuard();
app.UseBuyerFastPath(buyers => buyers.UseUserLimits());
// Everything before this line, and every endpoint on the fast path, writes its errors itself.
app.UseStatusCodePages();
app.UseAuthentication();
app.UseUserLimits();
app.UseAuthorization();

app.MapOrders();
app.MapOrderHistory();
app.MapPush();
app.MapPurchaseToken();
app.MapProducts();
app.MapWarmUp();
app.MapReconciliation();
app.MapAudit();
app.MapDeadLetters();
app.MapSales();
app.MapOrderSearch();
app.MapBaseline(app.Configuration);
app.MapSession();
app.MapDocumentation();
if (DemoLoginDoor.IsThere(app.Environment))
{
    app.MapDemoLogin();
}

await app.RunAsync();
return 0;
