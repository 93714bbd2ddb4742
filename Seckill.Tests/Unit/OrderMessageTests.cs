using System.Text;
using CsCheck;
using Seckill.Ordering.Contract;

namespace Seckill.Tests.Unit;

[Trait("Category", "Quick")]
public sealed class OrderMessageTests
{
    [Fact]
    public void Another_producers_message_is_read_as_it_is()
    {
        var message = Parse("""{"user_id":123,"sku_id":1001,"quantity":1,"client_order_no":"front-uuid"}""");

        Assert.Equal(new OrderMessage { UserId = 123, SkuId = 1001, Quantity = 1, ClientOrderNo = "front-uuid" }, message);
    }

    [Theory]
    [InlineData("""{"user_id":123,"sku_id":1001,"quantity":1}""")]
    [InlineData("""{"user_id":123,"sku_id":1001,"quantity":1,"client_order_no":null}""")]
    [InlineData("""{"quantity":1,"channel":{"name":"app","tags":[1,2]},"sku_id":1001,"user_id":123}""")]
    public void The_clicks_number_may_be_missing_members_unknown_and_the_order_free(string body) =>
        Assert.Equal(new OrderMessage { UserId = 123, SkuId = 1001, Quantity = 1 }, Parse(body));

    [Fact]
    public void Our_own_message_has_the_contracts_members_first_and_none_that_are_empty()
    {
        var plain = new OrderMessage { UserId = 123, SkuId = 1001, Quantity = 1 };

        Assert.Equal("""{"user_id":123,"sku_id":1001,"quantity":1}""", Encoding.UTF8.GetString(plain.ToUtf8Json()));
        Assert.Equal(
            """{"user_id":123,"sku_id":1001,"quantity":1,"client_order_no":"c","order_id":9007199254740993,"reserved_at_ms":5,"epoch":2}""",
            Encoding.UTF8.GetString(
                (plain with { ClientOrderNo = "c", OrderId = 9_007_199_254_740_993, ReservedAtMs = 5, Epoch = 2 }).ToUtf8Json()));
    }

    [Fact]
    public void A_written_value_is_read_back() =>
        Gen.Select(
            Gen.Long[1, long.MaxValue], Gen.Long[1, long.MaxValue], Gen.Int[1, OrderLimits.QuantityMax],
            Gen.Char["abcXYZ019._:-"].Array[0, OrderLimits.ClientOrderNoLengthMax], Gen.Long[1, long.MaxValue].Nullable(),
            Gen.Long[0, 253_402_300_799_999])
        .Sample((user, sku, quantity, click, order, epoch) =>
        {
            var message = new OrderMessage
            {
                UserId = user,
                SkuId = sku,
                Quantity = quantity,
                ClientOrderNo = click.Length == 0 ? null : new string(click),
                OrderId = order,
                ReservedAtMs = epoch,
                Epoch = epoch,
                Offer = order is null ? null : Offer.Of(quantity, "", "", "").Text,
            };
            Assert.Equal(message, OrderMessage.Parse(message.ToUtf8Json()));
        });

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("1")]
    [InlineData("\"order\"")]
    [InlineData("{}")]
    [InlineData("{")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1}}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1}{}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,}""")]
    [InlineData("""{"sku_id":1001,"quantity":1}""")]
    [InlineData("""{"user_id":1,"quantity":1}""")]
    [InlineData("""{"user_id":1,"sku_id":1001}""")]
    [InlineData("""{"user_id":null,"sku_id":1001,"quantity":1}""")]
    [InlineData("""{"user_id":"1","sku_id":1001,"quantity":1}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":"1"}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1.5}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1e400}""")]
    [InlineData("""{"user_id":9223372036854775808,"sku_id":1001,"quantity":1}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":2147483648}""")]
    [InlineData("""{"user_id":0,"sku_id":1001,"quantity":1}""")]
    [InlineData("""{"user_id":-1,"sku_id":1001,"quantity":1}""")]
    [InlineData("""{"user_id":1,"sku_id":0,"quantity":1}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":0}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":-1}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1001}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"client_order_no":""}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"client_order_no":5}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"client_order_no":"a|b"}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"client_order_no":"a b"}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"client_order_no":"a\nb"}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"client_order_no":"é"}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"client_order_no":"\ud800"}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"order_id":0}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"order_id":-5}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"order_id":"7"}""")]
    [InlineData("""{"user_id":1,"user_id":2,"sku_id":1001,"quantity":1}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"quantity":2}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"order_id":7,"reserved_at_ms":-1,"epoch":1}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"order_id":7,"reserved_at_ms":9223372036854775807,"epoch":1}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"order_id":7,"reserved_at_ms":1,"epoch":-1}""")]
    [InlineData("""{"user_id":1,"sku_id":1001,"quantity":1,"order_id":7,"reserved_at_ms":1,"epoch":9223372036854775807}""")]
    public void A_body_that_can_never_become_an_order_is_poison_with_a_reason(string body)
    {
        var exception = Assert.Throws<InvalidOrderException>(() => Parse(body));

        Assert.NotEmpty(exception.Message);
    }

    [Fact]
    public void A_clicks_number_that_is_too_long_is_poison()
    {
        var clickNo = new string('a', OrderLimits.ClientOrderNoLengthMax + 1);
        Assert.Throws<InvalidOrderException>(() => Parse(
            $$"""{"user_id":1,"sku_id":1001,"quantity":1,"client_order_no":"{{clickNo}}"}"""));
    }

    [Fact]
    public void Bytes_that_are_no_UTF8_are_poison()
    {
        var body = Encoding.UTF8.GetBytes("""{"user_id":1,"sku_id":1001,"quantity":1,"client_order_no":"x"}""");
        body[^3] = 0xFF;
        Assert.Throws<InvalidOrderException>(() => OrderMessage.Parse(body));
    }

    [Fact]
    public void Nesting_without_end_is_poison() =>
        Assert.Throws<InvalidOrderException>(() => Parse("{\"a\":" + new string('[', 100_000)));

    [Fact]
    public void Any_bytes_are_an_order_or_poison_and_nothing_else() =>
        Gen.Byte.Array[0, 80].Sample(body =>
        {
            try
            {
                OrderMessage.Parse(body);
            }
            catch (InvalidOrderException)
            {
                // Poison, as promised.
            }
        }, iter: 10_000);

    private static OrderMessage Parse(string body) => OrderMessage.Parse(Encoding.UTF8.GetBytes(body));
}
