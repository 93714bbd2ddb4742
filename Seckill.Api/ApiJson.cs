using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Seckill.Api.Audit;
using Seckill.Api.Auth;
using Seckill.Api.Catalogue;
using Seckill.Api.DeadLetters;
using Seckill.Api.Errors;
using Seckill.Api.Orders;
using Seckill.Api.OrderSearch;
using Seckill.Api.Reconciliation;
using Seckill.Api.Sales;
using Seckill.Api.Tokens;
using Seckill.Api.WarmUp;

namespace Seckill.Api;

/// <summary>
/// All JSON of the API, source-generated. Names are snake_case as in the contract; 64-bit ids are strings in responses, because a browser
/// would round them; duplicate members are rejected.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false)]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(ErrorBody))]
[JsonSerializable(typeof(PlaceOrderRequest))]
[JsonSerializable(typeof(PlaceOrderResponse))]
[JsonSerializable(typeof(OrderStatusResponse))]
[JsonSerializable(typeof(OrderListResponse))]
[JsonSerializable(typeof(OrderView))]
[JsonSerializable(typeof(SessionResponse))]
[JsonSerializable(typeof(SaleListing))]
[JsonSerializable(typeof(WarmUpResponse))]
[JsonSerializable(typeof(ReconciliationResponse))]
[JsonSerializable(typeof(RepairResponse))]
[JsonSerializable(typeof(DemoLoginRequest))]
[JsonSerializable(typeof(DemoLoginResponse))]
[JsonSerializable(typeof(PurchaseTokenResponse))]
[JsonSerializable(typeof(AuditResponse))]
[JsonSerializable(typeof(DeadLetterListResponse))]
[JsonSerializable(typeof(ReplayResponse))]
[JsonSerializable(typeof(AbandonResponse))]
[JsonSerializable(typeof(OrderSearchResponse))]
[JsonSerializable(typeof(OperatorSale))]
[JsonSerializable(typeof(OperatorSaleList))]
[JsonSerializable(typeof(CreateSaleRequest))]
[JsonSerializable(typeof(EditSaleRequest))]
[JsonSerializable(typeof(AddStockRequest))]
internal sealed partial class ApiJson : JsonSerializerContext
{
    /// <summary>
    /// The instance to use. It does not escape Chinese: these bodies are application/json with nosniff, never part of a page.
    /// </summary>
    public static ApiJson Web => Relaxed.Instance;

    // Nested, so that it is created after Default, no matter which part of ApiJson is initialized first.
    private static class Relaxed
    {
        public static readonly ApiJson Instance = new(
            new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
    }
}
