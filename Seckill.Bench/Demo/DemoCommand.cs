using System.CommandLine;
using MySqlConnector;
using Seckill.Bench.Target;
using Spectre.Console;
using StackExchange.Redis;

namespace Seckill.Bench.Demo;

/// <summary>The command line of <c>demo</c>.</summary>
public static class DemoCommand
{
    private const int BuyersMax = 200_000;
    private const int UnitsMax = 1_000_000;
    private const int ConcurrencyMax = 1_000;

    private static readonly Option<int> Buyers = NumberOption.Create("--buyers", "Distinct buyers; each clicks once.", 2_000, BuyersMax);
    private static readonly Option<int> Units = NumberOption.Create(
        "--units", "Units in the fresh sale that the demonstration creates.", 100, UnitsMax);
    private static readonly Option<int> Concurrency = NumberOption.Create(
        "--concurrency", "Concurrent requests, each on its own connection.", 200, ConcurrencyMax);
    private static readonly Option<long?> Sku =
        new("--sku") { Description = "Use this SKU instead of a fresh sale." };
    private static readonly Option<string?> Api =
        new("--api") { Description = "Address of the gate; default: SECKILL_API, then .seckill/local.json." };
    private static readonly Option<string?> Redis =
        new("--redis") { Description = "Connection string; else ConnectionStrings__redis, else .seckill/local.json." };
    private static readonly Option<string?> MySql =
        new("--mysql") { Description = "Connection string; else ConnectionStrings__mysql, else .seckill/local.json." };
    private static readonly Option<string?> SigningKey = new("--signing-key")
    {
        Description =
            "Key that signs the buyers' tokens; default: Auth__SigningKey, then .seckill/local.json, then the checkout's own.",
    };

    public static Command Create()
    {
        var command = new Command("demo", "Buyers compete for the units of one SKU; then MySQL and Redis are audited.")
        {
            Buyers, Units, Sku, Concurrency, Api, Redis, MySql, SigningKey,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(Sku) is { Implicit: false } && result.GetResult(Units) is { Implicit: false })
            {
                result.AddError("--units is the size of a fresh sale; it cannot be given together with --sku.");
            }
        });
        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>Exit codes: 0 nothing oversold, lost or doubled; 1 something was; 2 no system could be used.</summary>
    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        try
        {
            var addresses = await SystemAddresses.FindAsync(
                parsed.GetValue(Api), parsed.GetValue(Redis), parsed.GetValue(MySql), cancellationToken);
            var options = new DemoOptions(
                parsed.GetValue(Buyers), parsed.GetValue(Units), parsed.GetValue(Sku), parsed.GetValue(Concurrency),
                parsed.GetValue(SigningKey) ?? Environment.GetEnvironmentVariable("Auth__SigningKey") ?? addresses.SigningKey
                    ?? CheckoutKeys.SigningKey);
            return await DemoRun.ExecuteAsync(addresses, options, AnsiConsole.Console, cancellationToken) ? 0 : 1;
        }
        catch (Exception exception) when (exception is TargetException or HttpRequestException or MySqlException or RedisException)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return 2;
        }
        // EF wraps connection failures in this exception.
        catch (InvalidOperationException exception) when (exception.InnerException is MySqlException inner)
        {
            await Console.Error.WriteLineAsync(inner.Message);
            return 2;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("Stopped.");
            return 2;
        }
    }
}
