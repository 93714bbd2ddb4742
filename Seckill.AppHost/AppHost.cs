using Seckill.AppHost.Aspire;

// The distributed application on Aspire. `dotnet run` starts everything on this machine; publishing writes Docker Compose
// files; azd reads the manifest. Services see connection strings and OTLP variables, never Aspire.
var builder = DistributedApplication.CreateBuilder(args);

// Data volumes belong to the developer's machine. Where data lives in production is the deployment's decision: the Compose
// file below names volumes, Azure gets its own.
var keepData = builder.ExecutionContext.IsRunMode;

// The reservation in Redis is the outbox, so an answered script must survive the process: append-only, written before the
// reply. `everysec` and not `always`: a kill -9 loses nothing either way, because the kernel has the write; only a power
// cut can lose up to a second, and then MySQL's own stock check still sells nothing twice. `always` would put a disk flush
// into the latency of every click. noeviction: evicting a stock key or a reservation would be silent data loss.
var redis = builder.AddRedis("redis")
    .WithServerOptions("--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction");

var rabbitMQ = builder.AddRabbitMQ("rabbitmq")
    .WithManagementPlugin();

// The database carries the connection name that services know; MYSQL_DATABASE creates it where Aspire is not there to do so.
var mySqlServer = builder.AddMySql("mysql-server")
    .WithEnvironment("MYSQL_DATABASE", "seckill");
var mySql = mySqlServer.AddDatabase("mysql", databaseName: "seckill");

if (keepData)
{
    redis.WithDataVolume();
    rabbitMQ.WithDataVolume();
    mySqlServer.WithDataVolume();
}

// Generated once and kept in user secrets when run; asked for when published. Letters and digits: 48 of them are more than
// the 256 bits that HS256 wants, and no shell or header needs to escape them.
var signingKey = builder.AddParameter(
    "auth-signing-key", new GenerateParameterDefault { MinLength = 48, Special = false }, secret: true, persist: true);
var opsKey = builder.AddParameter(
    "ops-key", new GenerateParameterDefault { MinLength = 32, Special = false }, secret: true, persist: true);

// Launch profiles are left out: what a service gets is written here, the same for a run and for a deployment.
var orderWorker = builder.AddProject<Projects.Seckill_OrderWorker>("order-worker", launchProfileName: null)
    .WithServiceEnvironment()
    .WithHttpEndpoint()
    .WithReference(redis).WaitFor(redis)
    .WithReference(rabbitMQ).WaitFor(rabbitMQ)
    .WithReference(mySql).WaitFor(mySql)
    .WithHttpHealthCheck("/health");

// The worker's health says "migrated", so waiting for the worker means that the tables exist.
var api = builder.AddProject<Projects.Seckill_Api>("api", launchProfileName: null)
    .WithServiceEnvironment()
    .WithHttpEndpoint()
    .WithExternalHttpEndpoints()
    .WithReplicas(builder.Configuration.GetApiReplicas())
    .WithReference(redis).WaitFor(redis)
    .WithReference(rabbitMQ).WaitFor(rabbitMQ)
    .WithReference(mySql).WaitFor(mySql)
    .WaitFor(orderWorker)
    .WithEnvironment("Auth__SigningKey", signingKey)
    .WithEnvironment("Ops__Key", opsKey)
    .WithHttpHealthCheck("/health")
    .WithWarmUpCommand(opsKey);

// It asks the Api in the operator's name and hears in Redis what the instances publish; it knows no other server.
var console = builder.AddProject<Projects.Seckill_Console>("console", launchProfileName: null)
    .WithServiceEnvironment()
    .WithHttpEndpoint()
    .WithExternalHttpEndpoints()
    .WithReference(redis).WaitFor(redis)
    .WithEnvironment("Api__Url", api.GetEndpoint("http")).WaitFor(api)
    .WithEnvironment("Auth__SigningKey", signingKey)
    .WithHttpHealthCheck("/health");

if (keepData)
{
    console.WithTracesOfTheDashboard();
    builder.AddAddressFile(api.Resource, console.Resource, signingKey.Resource, new Dictionary<string, IResourceWithConnectionString>
    {
        ["redis"] = redis.Resource,
        ["rabbitmq"] = rabbitMQ.Resource,
        ["mysql"] = mySql.Resource,
    });
}

// azd reads the manifest, which has no word for a Compose environment, and brings a target and a dashboard of its own.
if (builder.Configuration["Publishing:Publisher"] != "manifest")
{
    builder.AddDockerComposeEnvironment("compose")
        .ConfigureComposeFile(file => ComposeDeployment.Configure(file, api.Resource.GetReplicaCount()));
}

await builder.Build().RunAsync();
