using System.CommandLine;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Seckill.Ordering.Store;

namespace Seckill.Bench.Textbook;

/// <summary>
/// The tutorial's consumer: one message at a time, each in its own transaction; failed messages are dropped, as in the tutorial.
/// </summary>
internal sealed class TextbookWorker(
    IDbContextFactory<OrderingDbContext> contexts, IConfiguration configuration, ILogger<TextbookWorker> logger)
    : BackgroundService
{
    /// <summary>The tutorial sets none; without one, the broker would push the whole backlog into the process.</summary>
    private const ushort PrefetchCount = 1_000;

    private static readonly Action<ILogger, Exception?> LogDropped = LoggerMessage.Define(
        LogLevel.Warning, default, "Order message dropped");

    /// <summary>The command with which the benchmark starts this program; not for users.</summary>
    public static Command Create()
    {
        var command = new Command("textbook-worker", "Writes the orders of the textbook design.") { Hidden = true };
        command.SetAction(async (_, cancellationToken) =>
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.SetMinimumLevel(LogLevel.Warning);
            builder.Services.AddPooledDbContextFactory<OrderingDbContext>(options => options.UseMySql(
                builder.Configuration.GetConnectionString("mysql"), new MySqlServerVersion(new Version(8, 0, 36))));
            builder.Services.AddHostedService<TextbookWorker>();
            var app = builder.Build();
            app.MapGet("/health", () => "Healthy");
            await app.RunAsync(cancellationToken);
        });
        return command;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var factory = new ConnectionFactory { Uri = new Uri(configuration.GetConnectionString("rabbitmq")!) };
        await using var connection = await factory.CreateConnectionAsync("textbook worker", stoppingToken);
        await using var channel = await connection.CreateChannelAsync(cancellationToken: stoppingToken);
        await TutorialShop.DeclareAsync(channel, stoppingToken);
        await channel.BasicQosAsync(0, PrefetchCount, global: false, stoppingToken);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) => HandleAsync(channel, delivery, stoppingToken);
        await channel.BasicConsumeAsync(TutorialShop.Queue, autoAck: false, consumer, stoppingToken);
        await Task.Delay(Timeout.Infinite, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task HandleAsync(IChannel channel, BasicDeliverEventArgs delivery, CancellationToken cancellationToken)
    {
        try
        {
            var message = JsonSerializer.Deserialize(delivery.Body.Span, TextbookJson.Default.TutorialMessage)!;
            await using var database = await contexts.CreateDbContextAsync(cancellationToken);
            await DatabaseDesign.BuyAsync("for-update", database, message.UserId, message.SkuId, message.Quantity, cancellationToken);
            await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false, cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogDropped(logger, exception);
            await channel.BasicNackAsync(delivery.DeliveryTag, multiple: false, requeue: false, cancellationToken);
        }
    }
}
