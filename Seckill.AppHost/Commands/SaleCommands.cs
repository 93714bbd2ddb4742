using System.Globalization;
using System.Text.Json.Nodes;

namespace Seckill.AppHost.Commands;

#pragma warning disable ASPIREINTERACTION001 // Commands with arguments are new in 13.6 and still marked as a preview.

/// <summary>An operator's actions on a sale, as commands in the dashboard and the Aspire CLI. The Api audits each of them.</summary>
internal static class SaleCommands
{
    public const string WarmUp = "warm-up";
    public const string Pause = "pause-sale";
    public const string Resume = "resume-sale";
    public const string AddStock = "add-stock";

    /// <summary>Names of the arguments.</summary>
    public const string SkuId = "sku-id";
    public const string Units = "units";

    private const string Repeatable = "Repeating the command is harmless.";

    /// <summary>Adds the commands to the gate's resource.</summary>
    public static IResourceBuilder<ProjectResource> WithSaleCommands(
        this IResourceBuilder<ProjectResource> api, IResourceBuilder<ParameterResource> opsKey)
    {
        var calls = new OpsCalls(api.Resource, opsKey.Resource);
        return api
            .WithCommand(WarmUp, "Warm up", context => WarmUpAsync(calls, context), new CommandOptions
            {
                Description = "Loads the stock of every sale from MySQL into Redis. A running sale is left alone.",
                IconName = "Fire",
                IsHighlighted = true,
            })
            .WithCommand(Pause, "Pause a sale", context => PostAsync(calls, context, "pause"), new CommandOptions
            {
                Description = "Stops accepting orders for one SKU. Orders under way continue.",
                IconName = "Pause",
                Arguments = [SkuInput()],
            })
            .WithCommand(Resume, "Resume a sale", context => PostAsync(calls, context, "resume"), new CommandOptions
            {
                Description = "Accepts orders for a paused SKU again.",
                IconName = "Play",
                Arguments = [SkuInput()],
            })
            .WithCommand(AddStock, "Add stock", context => AddStockAsync(calls, context), new CommandOptions
            {
                Description = "Puts more units of one SKU on sale, even while the sale runs.",
                IconName = "AddCircle",
                Arguments =
                [
                    SkuInput(),
                    new InteractionInput { Name = Units, Label = "Units", InputType = InputType.Number, Required = true, Value = "100" },
                ],
            });
    }

    private static InteractionInput SkuInput() =>
        new() { Name = SkuId, Label = "SKU", InputType = InputType.Number, Required = true, Placeholder = "1001" };

    private static string Sku(ExecuteCommandContext context) => context.Arguments.GetString(SkuId) ?? "";

    private static Task<ExecuteCommandResult> WarmUpAsync(OpsCalls calls, ExecuteCommandContext context) =>
        calls.PostAsync("warm-up", null, Repeatable, context.CancellationToken);

    private static Task<ExecuteCommandResult> PostAsync(OpsCalls calls, ExecuteCommandContext context, string action) =>
        calls.PostAsync($"sales/{Uri.EscapeDataString(Sku(context))}/{action}", null, Repeatable, context.CancellationToken);

    // Each execution reads the units on sale anew, so a repeated command adds the units again.
    private static async Task<ExecuteCommandResult> AddStockAsync(OpsCalls calls, ExecuteCommandContext context)
    {
        var sku = Sku(context);
        if (!int.TryParse(context.Arguments.GetString(Units), NumberStyles.None, CultureInfo.InvariantCulture, out var units))
        {
            return CommandResults.Failure($"{Units} must be a whole number.");
        }

        JsonNode? sales;
        try
        {
            sales = await calls.GetAsync("sales", context.CancellationToken);
        }
        catch (Exception failure) when (OpsCalls.IsSilence(failure, context.CancellationToken))
        {
            return CommandResults.Failure($"Nothing was added, because the Api did not list the sales: {failure.Message}");
        }

        var sale = sales?["items"]?.AsArray().FirstOrDefault(item => item?["sku_id"]?.GetValue<string>() == sku);
        if (sale is null)
        {
            return CommandResults.Failure($"No listed sale has the SKU {sku}; the 500 that end last are listed.");
        }

        var before = sale["units"]?.GetValue<int>();
        return await calls.PostAsync(
            $"sales/{Uri.EscapeDataString(sku)}/stock",
            new JsonObject { ["add"] = units, ["units_before"] = before },
            $"The units may have been added: look at the sale's units, and repeat the command only if they are still {before}.",
            context.CancellationToken);
    }
}
