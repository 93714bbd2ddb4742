using System.Text;
using CsCheck;
using Seckill.Ordering.Contract;
using Seckill.Ordering.Ledger;

namespace Seckill.Tests.Unit;

[Trait("Category", "Quick")]
public sealed class OfferTests
{
    private const string Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    private static readonly Offer Shown = Offer.Of(1_999m, "Phone", "/img/p.svg", """{"color":"red"}""");

    [Fact]
    public void A_written_value_is_read_back() =>
        Gen.Select(Gen.Long[0, 999_999_999_999_999], Gen.String, Gen.String).Sample((cents, title, attrs) =>
        {
            var offer = Offer.Of(cents / 100m, title, "", attrs);

            Assert.True(Offer.TryParse(offer.Text, out var read), offer.Text);
            Assert.Equal((offer.Price, offer.Version, offer.Text), (read.Price, read.Version, read.Text));
        });

    [Fact]
    public void Equal_contents_have_equal_versions_and_any_edit_another_one()
    {
        Assert.Equal("1999.00", Shown.Text.Split('@')[0]);
        Assert.Equal(Shown.Text, Offer.Of(1_999.00m, "Phone", "/img/p.svg", """{"color":"red"}""").Text);
        Offer[] edited =
        [
            Offer.Of(5_999m, "Phone", "/img/p.svg", """{"color":"red"}"""), Offer.Of(1_999m, "Phones", "/img/p.svg", """{"color":"red"}"""),
            Offer.Of(1_999m, "Phone", "/img/q.svg", """{"color":"red"}"""), Offer.Of(1_999m, "Phone", "/img/p.svg", "{}"),
            Offer.Of(1_999m, "Phone\n/img/p.svg", "", """{"color":"red"}"""),
        ];
        Assert.Equal(edited.Length + 1, edited.Append(Shown).Select(offer => offer.Version).Distinct().Count());
    }

    [Theory]
    [InlineData("")]
    [InlineData("1999.00")]
    [InlineData("@0123456789abcdef")]
    [InlineData("1999.00@0123456789abcde")]
    [InlineData("1999.00@0123456789abcdeg")]
    [InlineData("1999.00@0123456789ABCDEF")]
    [InlineData("-1.00@0123456789abcdef")]
    [InlineData("1.005@0123456789abcdef")]
    [InlineData("1e3@0123456789abcdef")]
    [InlineData("10000000000000.00@0123456789abcdef")]
    public void Anything_else_is_no_offer(string text) => Assert.False(Offer.TryParse(text, out _));

    [Theory]
    [InlineData(-0.01)]
    [InlineData(10_000_000_000_000)]
    public void An_amount_that_cannot_be_charged_is_not_offered(decimal price) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Offer.Of(price, "", "", ""));

    [Fact]
    public void A_record_has_the_offer_behind_the_trace()
    {
        var pending = Reservation.Parse(9, $"P|2|7|3|5|c|{Trace};{Shown}");
        Assert.Equal((Trace, Shown.Text), (pending.TraceParent, pending.Offer));
        var settled = Reservation.Parse(9, $"S|2|7|3|5||;{Shown}|6|9");
        Assert.Equal((null, Shown.Text), (settled.TraceParent, settled.Offer));
        Assert.Null(Reservation.Parse(9, $"P|2|7|3|5|c|{Trace}").Offer);
    }

    [Theory]
    [InlineData(Trace, Trace)]
    [InlineData("", null)]
    public void A_newer_record_that_an_older_instance_publishes_has_the_offer_too(string before, string? trace)
    {
        var message = Parse($$"""{"user_id":1,"sku_id":2,"quantity":1,"traceparent":"{{before}};{{Shown}}"}""");

        Assert.Equal((trace, Shown.Text), (message.TraceParent, message.Offer));
    }

    [Fact]
    public void A_malformed_traceparent_of_another_producer_is_harmless()
    {
        var message = Parse("""{"user_id":1,"sku_id":2,"quantity":1,"traceparent":"one;two"}""");

        Assert.Equal(("one;two", null), (message.TraceParent, message.Offer));
    }

    [Theory]
    [InlineData("free")]
    [InlineData("-1.00@0123456789abcdef")]
    public void A_message_with_a_malformed_offer_never_becomes_an_order(string offer) => Assert.Equal(
        "offer is malformed",
        Assert.Throws<InvalidOrderException>(() => Parse($$"""{"user_id":1,"sku_id":2,"quantity":1,"offer":"{{offer}}"}""")).Message);

    private static OrderMessage Parse(string body) => OrderMessage.Parse(Encoding.UTF8.GetBytes(body));
}
