using Seckill.Ordering;
using Seckill.Ordering.Store;
using Seckill.Ordering.Telemetry;
using Seckill.OrderWorker;
using Seckill.OrderWorker.Migrating;
using Seckill.ServiceDefaults.Connections;

// The switch has no value; the configuration would take the next argument for one.
string[] settings = [.. args.Where(argument => argument != MigrateOnly.Switch)];
var builder = WebApplication.CreateBuilder(settings);
try
{
    if (MigrateOnly.IsAsked(args, builder.Configuration))
    {
        return await MigrateOnly.RunAsync(Host.CreateApplicationBuilder(settings), CancellationToken.None);
    }

    builder.AddServiceDefaults();
    builder.AddRedis();
    builder.AddRabbitMQ();
    builder.AddMySql<OrderingDbContext>();
}
catch (ConnectionStringException refused)
{
    return await refused.EndAsync();
}

builder.Services.AddOrdering();
builder.Services.AddMigrations();
builder.Services.AddOrderWriting();
builder.Services.AddPulse(InstancePulse.Worker);

var app = builder.Build();
app.MapDefaultEndpoints();

await app.RunAsync();
return 0;
