using CsCheck;
using Microsoft.AspNetCore.Builder;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using MySqlConnector;
using RabbitMQ.Client;
using Seckill.ServiceDefaults;
using Seckill.ServiceDefaults.Connections;
using StackExchange.Redis;

namespace Seckill.Tests.ServiceDefaults;

/// <summary>Valid values of the three connection strings; an invalid one is named but never shown.</summary>
[Trait("Category", "Quick")]
public sealed class ConnectionStringTests
{
    private const string Secret = "hunter2";
    private static readonly string[] Pieces =
    [
        "amqp://", "amqps://", "redis://", "Server=", "Password=", "password=", "a", ":", "@", "/", "#", "%", "%4", "%40", "?", ",", ";",
        "=", "'", "\"", " ", "\0", "\n", "[", "]", "::1", "99999", "-1", "\u79d2", "\ud83e", "Port=", "ssl=", "h1", "h2:5672", Secret,
    ];

    private const string Redis = "127.0.0.1:1,connectTimeout=1";
    private const string RabbitMQ = "amqp://somebody:secret@127.0.0.1:1";
    private const string MySql = "Server=127.0.0.1;Port=1;User ID=root;Password=x;Database=seckill";

    [Theory]
    [InlineData("redis", null, "is missing or empty")]
    [InlineData("redis", " ", "is missing or empty")]
    [InlineData("redis", "password=hunter2", "names no host")]
    [InlineData("redis", "redis://:hunter2@somewhere:6379", "is a URI")]
    [InlineData("redis", "somewhere:6379,password=pass,hunter2", "after its options (part 3)")]
    [InlineData("redis", "somewhere:6379,password=pass,hunter2=1", "cannot be read (part 3)")]
    [InlineData("redis", "somewhere:6379,connectTimeout=hunter2", "cannot be read (part 2)")]
    [InlineData("rabbitmq", null, "is missing or empty")]
    [InlineData("rabbitmq", "", "is missing or empty")]
    [InlineData("rabbitmq", "hunter2", "is not an AMQP URI")]
    [InlineData("rabbitmq", "http://u:hunter2@somewhere", "is not an AMQP URI")]
    [InlineData("rabbitmq", "amqp://u:pass@hunter2@somewhere", "must be percent-encoded")]
    [InlineData("rabbitmq", "amqp://u:pass/hunter2@somewhere", "must be percent-encoded")]
    [InlineData("rabbitmq", "amqp://u:12/hunter2@somewhere", "must be percent-encoded")]
    [InlineData("rabbitmq", "amqp://u:12#hunter2@somewhere", "must be percent-encoded")]
    [InlineData("rabbitmq", "amqp://u:pass?hunter2@somewhere", "must be percent-encoded")]
    [InlineData("rabbitmq", "amqp://u:pass:hunter2@somewhere", "must be percent-encoded")]
    [InlineData("rabbitmq", "amqp://u:50%hunter2@somewhere", "must be percent-encoded")]
    [InlineData("rabbitmq", "amqp://u:hunter2@somewhere/two/parts", "must be percent-encoded")]
    [InlineData("rabbitmq", "amqp://u:hunter2@", "names no host")]
    [InlineData("rabbitmq", "amqp://u:hunter2@/vhost", "names no host")]
    [InlineData("rabbitmq", "amqp://u:hunter2@one:5672,two:many", "a host that cannot be read (number 2)")]
    [InlineData("rabbitmq", "amqp://u:hunter2@one:0", "a host that cannot be read (number 1)")]
    [InlineData("rabbitmq", "amqp://u:hunter2@one two", "a host that cannot be read (number 1)")]
    [InlineData("rabbitmq", "amqp://u:hunter2@one/a,amqp://u:other@two/a", "differ in more than their hosts")]
    [InlineData("mysql", null, "is missing or empty")]
    [InlineData("mysql", "", "is missing or empty")]
    [InlineData("mysql", "Password=hunter2;Database=seckill", "names no server")]
    [InlineData("mysql", "Server=somewhere;Password=pass;hunter2", "cannot be read")]
    [InlineData("mysql", "Server=somewhere;Password=pass;hunter2=1", "cannot be read")]
    [InlineData("mysql", "Server=somewhere;Password=pass;Port=hunter2", "cannot be read")]
    [InlineData("mysql", "Server=somewhere;SslMode=hunter2", "cannot be read")]
    [InlineData("mysql", "mysql://root:hunter2@somewhere/seckill", "cannot be read")]
    public void A_wrong_one_is_refused_in_one_line_that_names_the_setting_and_not_the_value(string name, string? value, string reason)
    {
        var refusal = Assert.Throws<ConnectionStringException>(() => Build((name, value)));

        Assert.StartsWith($"ConnectionStrings:{name} ", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
        Assert.DoesNotContain(Secret, refusal.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Any_text_is_accepted_or_refused_by_name()
    {
        Gen.Int[0, Pieces.Length - 1].Array[0, 12].Select(chosen => string.Concat(chosen.Select(i => Pieces[i]))).Sample(
            value =>
            {
                TakenOrRefused("redis", () =>
                    ClientDefaults.Configure(ConfigurationOptions.Parse(RedisConnection.Check("redis", value))));
                TakenOrRefused("mysql", () => ClientDefaults.ConfigureMySql(value));
                TakenOrRefused("rabbitmq", () =>
                {
                    var connection = RabbitMQConnection.Parse("rabbitmq", value);
                    var factory = new ConnectionFactory { Uri = new Uri(connection.FirstUri) };
                    connection.Apply(factory);
                    Assert.NotEmpty(factory.EndpointResolverFactory([factory.Endpoint]).All());
                });
            },
            iter: 5_000);
    }

    [Theory]
    [InlineData("p@ss/w#rd%:?&;,=' \u79d2")]
    [InlineData("%41")]
    public async Task A_password_with_any_character_reaches_RabbitMQ_percent_encoded(string password)
    {
        await using WebApplication host = Build(("rabbitmq", $"amqp://some%40body:{Uri.EscapeDataString(password)}@h1:5673,h2/shop%2Fone"));

        var factory = Assert.IsType<ConnectionFactory>(host.Services.GetRequiredService<IConnectionFactory>());

        Assert.Equal(("some@body", password, "shop/one"), (factory.UserName, factory.Password, factory.VirtualHost));
    }

    [Theory]
    [InlineData("Password='p@ss/w#rd%;=\" x'", "p@ss/w#rd%;=\" x")]
    [InlineData("Password=\"it's; p@ss\"", "it's; p@ss")]
    [InlineData("Password=p@ss/w#rd%:?", "p@ss/w#rd%:?")]
    public async Task A_password_with_any_character_reaches_MySQL_quoted(string option, string password)
    {
        await using WebApplication host = Build(("mysql", $"Server=127.0.0.1;{option};Database=seckill"));
        await using var scope = host.Services.CreateAsyncScope();

        var used = scope.ServiceProvider.GetRequiredService<Context>().Database.GetConnectionString();

        var options = new MySqlConnectionStringBuilder(used!);
        Assert.Equal((password, "seckill"), (options.Password, options.Database));
    }

    [Theory]
    [InlineData("p@ss/w#rd%:?;='\"\u79d2")]
    [InlineData("redis://x")]
    public void A_password_with_any_character_but_a_comma_reaches_Redis(string password) =>
        Assert.Equal(
            password, ConfigurationOptions.Parse(RedisConnection.Check("redis", $"h1:1,h2:2,ssl=true,password={password}")).Password);

    [Theory]
    [InlineData("amqp://u:p@h1:5673,h2,[::1]:5674/vh", "h1:5673 h2:5672 [::1]:5674", "vh")]
    [InlineData("amqp://u:p@h1:5673 ; h2:5674;h3", "h1:5673 h2:5674 h3:5672", "/")]
    [InlineData("amqps://u:p@h1,h2:5673/", "h1:5671 h2:5673", "/")]
    [InlineData("amqp://u:p@h1:5673/vh, amqp://u:p@h2:5674/vh", "h1:5673 h2:5674", "vh")]
    public async Task Each_connection_begins_with_the_next_of_several_RabbitMQ_hosts_and_may_try_all(
        string value, string hosts, string virtualHost)
    {
        await using WebApplication host = Build(("rabbitmq", value));
        var factory = Assert.IsType<ConnectionFactory>(host.Services.GetRequiredService<IConnectionFactory>());

        var given = hosts.Split(' ');
        for (var first = 0; first < 2 * given.Length; first++)
        {
            var tried = factory.EndpointResolverFactory([]).All().ToArray();
            Assert.Equal(
                Enumerable.Range(0, given.Length).Select(i => given[(first + i) % given.Length]),
                tried.Select(endpoint => $"{endpoint.HostName}:{endpoint.Port}"));
            if (factory.Ssl.Enabled)
            {
                Assert.All(tried, endpoint => Assert.Equal((true, endpoint.HostName), (endpoint.Ssl.Enabled, endpoint.Ssl.ServerName)));
            }
        }

        Assert.Equal(("u", "p", virtualHost), (factory.UserName, factory.Password, factory.VirtualHost));
    }

    private static void TakenOrRefused(string name, Action use)
    {
        try
        {
            use();
        }
        catch (ConnectionStringException refusal)
        {
            Assert.StartsWith($"ConnectionStrings:{name} ", refusal.Message, StringComparison.Ordinal);
            Assert.DoesNotContain(Secret, refusal.Message, StringComparison.Ordinal);
        }
    }

    private static WebApplication Build((string Name, string? Value) connectionString)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ConnectionStrings:redis"] = Redis,
            ["ConnectionStrings:rabbitmq"] = RabbitMQ,
            ["ConnectionStrings:mysql"] = MySql,
            [$"ConnectionStrings:{connectionString.Name}"] = connectionString.Value,
        });
        builder.Logging.ClearProviders();
        builder.AddRedis();
        builder.AddRabbitMQ();
        builder.AddMySql<Context>();
        return builder.Build();
    }

    private sealed class Context(DbContextOptions<Context> options) : DbContext(options);
}
