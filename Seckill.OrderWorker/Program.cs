using Seckill.Ordering;
using Seckill.Ordering.Store;
using Seckill.Ordering.Telemetry;
using Seckill.OrderWorker;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddRedis();
builder.AddRabbitMQ();
builder.AddMySql<OrderingDbContext>();

builder.Services.AddOrdering();
builder.Services.AddMigrations();
builder.Services.AddOrderWriting();
builder.Services.AddPulse(InstancePulse.Worker);

var app = builder.Build();
app.MapDefaultEndpoints();

await app.RunAsync();
