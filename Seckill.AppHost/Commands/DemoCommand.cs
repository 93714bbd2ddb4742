using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Seckill.AppHost.Running;
using Seckill.LocalServers;

namespace Seckill.AppHost.Commands;

// Commands with arguments are new in 13.6 and still marked as a preview.
#pragma warning disable ASPIREINTERACTION001, ASPIREPROCESSCOMMAND001

/// <summary>The demonstration that <c>./seckill demo</c> runs, from the dashboard.</summary>
internal static class DemoCommand
{
    public const string Name = "demo-burst";

    private const string Buyers = "buyers";
    private const string Units = "units";
    private const int OutputLinesMax = 60;

    public static IResourceBuilder<ProjectResource> WithDemoCommand(this IResourceBuilder<ProjectResource> api) =>
        api.WithProcessCommand(Name, "Demo burst", async context => new ProcessCommandSpec("dotnet")
        {
            WorkingDirectory = Repository.Root,
            Arguments =
            [
                "run", "--project", "Seckill.Bench", "-c", Repository.Configuration, "-v", "q", "--",
                "demo", "--buyers", Number(context, Buyers), "--units", Number(context, Units),
            ],
            EnvironmentVariables = await AddressesAsync(context.Services.GetRequiredService<RunParts>(), context.CancellationToken),
        }, new ProcessCommandOptions
        {
            Description = "Buyers compete for the units of a fresh sale; then the books are checked.",
            IconName = "PeopleTeam",
            DisplayImmediately = true,
            MaxOutputLineCount = OutputLinesMax,
            Arguments = [Input(Buyers, "Buyers", 2_000), Input(Units, "Units", 100)],
        });

    /// <summary>
    /// This run's addresses in the variables that the bench reads. Without them it would look for a run in the checkout's usual folder, but
    /// this one may have another.
    /// </summary>
    internal static async Task<Dictionary<string, string>> AddressesAsync(RunParts run, CancellationToken cancellationToken)
    {
        var addresses = new Dictionary<string, string>
        {
            ["SECKILL_API"] = run.Api.GetEndpoint("http").Url,
            ["Auth__SigningKey"] = (await run.SigningKey.GetValueAsync(cancellationToken))!,
        };
        foreach (var (name, server) in run.Servers)
        {
            addresses[$"ConnectionStrings__{name}"] = (await server.GetConnectionStringAsync(cancellationToken))!;
        }

        return addresses;
    }

    private static InteractionInput Input(string name, string label, int value) => new()
    {
        Name = name,
        Label = label,
        InputType = InputType.Number,
        Required = true,
        Value = value.ToString(CultureInfo.InvariantCulture),
    };

    private static string Number(ExecuteCommandContext context, string name) => context.Arguments.GetString(name) ?? "";
}
