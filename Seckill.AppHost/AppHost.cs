using Seckill.AppHost.Aspire;
using Seckill.AppHost.Publishing;
using Seckill.AppHost.Servers;

// The distributed application on Aspire. `dotnet run` starts everything on this machine; `aspire publish` writes Docker Compose
// files; azd reads the manifest. Services see connection strings and OTLP variables, never Aspire.
var builder = DistributedApplication.CreateBuilder(args);

var servers = builder.AddServers();

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
    .WithReference(servers.Redis).WaitFor(servers.Redis)
    .WithReference(servers.RabbitMQ).WaitFor(servers.RabbitMQ)
    .WithReference(servers.MySql).WaitFor(servers.MySql)
    .WithProbes();

// The worker's health says "migrated", so waiting for the worker means that the tables exist.
var api = builder.AddProject<Projects.Seckill_Api>("api", launchProfileName: null)
    .WithServiceEnvironment()
    .WithHttpEndpoint()
    .WithExternalHttpEndpoints()
    .WithReplicas(builder.Configuration.GetApiReplicas())
    .WithReference(servers.Redis).WaitFor(servers.Redis)
    .WithReference(servers.RabbitMQ).WaitFor(servers.RabbitMQ)
    .WithReference(servers.MySql).WaitFor(servers.MySql)
    .WaitFor(orderWorker)
    .WithEnvironment("Auth__SigningKey", signingKey)
    .WithEnvironment("Ops__Key", opsKey)
    .WithProbes()
    .WithWarmUpCommand(opsKey);

// It asks the Api in the operator's name and hears in Redis what the instances publish; it knows no other server.
var console = builder.AddProject<Projects.Seckill_Console>("console", launchProfileName: null)
    .WithServiceEnvironment()
    .WithHttpEndpoint()
    .WithExternalHttpEndpoints()
    .WithReference(servers.Redis).WaitFor(servers.Redis)
    .WithEnvironment("Api__Url", api.GetEndpoint("http")).WaitFor(api)
    .WithEnvironment("Auth__SigningKey", signingKey)
    .WithProbes();

if (builder.ExecutionContext.IsRunMode)
{
    console.WithTracesOfTheDashboard();
    builder.AddAddressFile(api.Resource, console.Resource, signingKey.Resource, new Dictionary<string, IResourceWithConnectionString>
    {
        ["redis"] = servers.Redis.Resource,
        ["rabbitmq"] = servers.RabbitMQ.Resource,
        ["mysql"] = servers.MySql.Resource,
    });
}

builder.AddDeployment(api, console);

await builder.Build().RunAsync();
