using Microsoft.Extensions.Diagnostics.HealthChecks;
using MudBlazor.Services;
using Seckill.Console.Auth;
using Seckill.Console.Demo;
using Seckill.Console.Frame;
using Seckill.Console.Login;
using Seckill.Console.Ops;
using Seckill.Console.Orders;
using Seckill.Console.Pulse;
using Seckill.ServiceDefaults.Connections;

var builder = WebApplication.CreateBuilder(args);
// In build output the components' style sheets are still in their packages; in published output this does nothing.
builder.WebHost.UseStaticWebAssets();
builder.AddServiceDefaults();

try
{
    // Without Redis only the live figures stop; everything else goes through the Api.
    builder.AddRedis(HealthStatus.Degraded);
}
catch (ConnectionStringException refused)
{
    return await refused.EndAsync();
}

builder.Services.AddSingleton(TimeProvider.System);

builder.Services.AddConsoleLogin();
builder.Services.AddKeptKeys();
builder.Services.AddOpsApi();
builder.Services.AddPulse();
builder.Services.AddDemoBurst();
builder.Services.AddOptions<TraceOptions>().BindConfiguration(TraceOptions.Section).ValidateDataAnnotations().ValidateOnStart();
builder.Services.AddScoped<OperatorClock>();
builder.Services.AddHubGuard();
builder.Services.AddMudServices();
builder.Services.AddRazorComponents().AddInteractiveServerComponents();

var app = builder.Build();
app.UseExceptionHandler("/error/500");
// NotFoundPage is the page for 404.
app.UseStatusCodePagesWithReExecute("/error/{0}");
app.UseSafeHeaders();
app.MapDefaultEndpoints();
app.UseAuthentication();
app.UseHubGuard();
app.UseAuthorization();
app.UseAntiforgery();
app.UseOldFormsGuard();

app.MapStaticAssets();
app.MapLogin();
app.MapRazorComponents<Root>().AddInteractiveServerRenderMode(options => options.ContentSecurityFrameAncestorsPolicy = null);

await app.RunAsync();
return 0;
