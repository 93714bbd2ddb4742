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

    /// <summary>Adds the commands to the gate's resource.</summary>
    public static IResourceBuilder<ProjectResource> WithSaleCommands(
        this IResourceBuilder<ProjectResource> api, IResourceBuilder<ParameterResource> opsKey)
    {
        var calls = new OpsCalls(api.Resource, opsKey.Resource);
        return api
            .WithCommand(WarmUp, "Warm up", context => calls.PostAsync("warm-up", null, context.CancellationToken), new CommandOptions
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

    private static Task<ExecuteCommandResult> PostAsync(OpsCalls calls, ExecuteCommandContext context, string action) =>
        calls.PostAsync($"sales/{Uri.EscapeDataString(Sku(context))}/{action}", null, context.CancellationToken);

    // The request contains the units on sale, so that repeating it adds nothing.
    private static async Task<ExecuteCommandResult> AddStockAsync(OpsCalls calls, ExecuteCommandContext context)
    {
        var sku = Sku(context);
        if (!int.TryParse(context.Arguments.GetString(Units), NumberStyles.None, CultureInfo.InvariantCulture, out var units))
        {
            return CommandResults.Failure($"{Units} must be a whole number.");
        }

        var sales = await calls.GetAsync("sales", context.CancellationToken);
        var sale = sales?["items"]?.AsArray().FirstOrDefault(item => item?["sku_id"]?.GetValue<string>() == sku);
        return sale is null
            ? CommandResults.Failure($"No sale has the SKU {sku}.")
            : await calls.PostAsync(
                $"sales/{Uri.EscapeDataString(sku)}/stock",
                new JsonObject { ["add"] = units, ["units_before"] = sale["units"]?.GetValue<int>() },
                context.CancellationToken);
    }
}
