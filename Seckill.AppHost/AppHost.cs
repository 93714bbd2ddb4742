using Seckill.AppHost.Commands;
using Seckill.AppHost.Publishing;
using Seckill.AppHost.Running;
using Seckill.AppHost.Servers;
using Seckill.AppHost.Services;
using Seckill.AppHost.Settings;
using Seckill.LocalServers;

// The distributed application on Aspire. `dotnet run` starts everything on this machine; `aspire publish` writes Docker Compose
// files; azd reads the manifest. Services see connection strings and OTLP variables, never Aspire.
try
{
    var builder = DistributedApplication.CreateBuilder(args);

    var local = LocalOptions.Read(builder.Configuration);
    builder.UseLoopbackDashboard(local);
    var servers = builder.AddServers(local);

    // A run uses the checkout's own key; a deployment requests or generates one. 48 letters and digits exceed the 256 bits that HS256
    // needs, and no shell or header has to escape them.
    var signingKey = builder.AddKey("auth-signing-key", () => CheckoutKeys.SigningKey, lengthMin: 48);
    var opsKey = builder.AddKey("ops-key", () => CheckoutKeys.OpsKey, lengthMin: 32);

    // Launch profiles are not used: a service's settings are here, the same for a run and for a deployment. By default Aspire makes a
    // published service accept X-Forwarded-* from every sender. The console needs the scheme, and a deployed one asks for nobody's
    // address. The Api accepts these headers only from the proxies that its section Edge names.
    var orderWorker = builder.AddProject<Projects.Seckill_OrderWorker>("order-worker", launchProfileName: null)
        .WithServiceEnvironment()
        .WithServiceEndpoint(local, local.OrderWorkerPort)
        .DisableForwardedHeaders()
        .WithReference(servers.Redis).WaitFor(servers.Redis)
        .WithReference(servers.RabbitMQ).WaitFor(servers.RabbitMQ)
        .WithReference(servers.MySql).WaitFor(servers.MySql)
        .WithProbes();

    // The worker is healthy only after its migrations, so waiting for it guarantees that the tables exist.
    var api = builder.AddProject<Projects.Seckill_Api>("api", launchProfileName: null)
        .WithServiceEnvironment()
        .WithReplicas(builder.Configuration.GetApiReplicas())
        .WithServiceEndpoint(local, local.ApiPort)
        .DisableForwardedHeaders()
        .WithExternalHttpEndpoints()
        .WithReference(servers.Redis).WaitFor(servers.Redis)
        .WithReference(servers.RabbitMQ).WaitFor(servers.RabbitMQ)
        .WithReference(servers.MySql).WaitFor(servers.MySql)
        .WaitFor(orderWorker)
        .WithEnvironment("Auth__SigningKey", signingKey)
        .WithEnvironment("Ops__Key", opsKey)
        .WithProbes()
        .WithSaleCommands(opsKey)
        .WithDemoCommand();

    // It calls the Api on the operator's behalf and receives the instances' pulses from Redis; it uses no other server.
    var console = builder.AddProject<Projects.Seckill_Console>("console", launchProfileName: null)
        .WithServiceEnvironment()
        .WithServiceEndpoint(local, local.ConsolePort)
        .WithExternalHttpEndpoints()
        .WithReference(servers.Redis).WaitFor(servers.Redis)
        .WithEnvironment("Api__Url", api.GetEndpoint("http")).WaitFor(api)
        .WithEnvironment("Auth__SigningKey", signingKey)
        .WithProbes();

    if (builder.ExecutionContext.IsPublishMode)
    {
        var hosts = builder.AddAllowedHosts();
        api.WithEnvironment("AllowedHosts", hosts);
        console.WithEnvironment("AllowedHosts", hosts);
        api.WithEdgeSettings();
    }
    else
    {
        console.WithTracesOfTheDashboard();
        builder.AddLocalRun(new RunParts(api.Resource, console.Resource, orderWorker.Resource, servers.ByName, signingKey.Resource), local);
    }

    builder.AddDeployment(api, console);

    return await builder.Build().RunUntilStoppedAsync();
}
catch (Exception refused) when (LocalRun.IsForTerminal(refused))
{
    return LocalRun.Refuse(refused);
}
