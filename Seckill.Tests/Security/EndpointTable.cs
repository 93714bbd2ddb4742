namespace Seckill.Tests.Security;

/// <summary>The callers: the table's columns.</summary>
public enum Caller
{
    Stranger,
    Buyer,
    OtherBuyer,
    Operator,

    /// <summary>An operator's cookie, sent from a page of another site.</summary>
    OperatorElsewhere,
}

/// <summary>The required answers of an endpoint to each caller.</summary>
/// <param name="Route">Method and pattern, as the endpoint is registered.</param>
/// <param name="Path">The request's path; <c>{sku}</c> and <c>{order}</c> stand for a SKU on sale and the buyer's own order of it.</param>
/// <param name="Body">JSON; null for none.</param>
/// <param name="Statuses">By caller, in the order of <see cref="Caller"/>.</param>
/// <param name="Cache">The header <c>Cache-Control</c> of every answer that is not a refusal.</param>
public sealed record EndpointRow(string Route, string Path, string? Body, int[] Statuses, string Cache = EndpointTable.NoStore)
{
    public override string ToString() => Route;
}

/// <summary>Every endpoint of the Api. One that is not here fails the walk, so a new one must be listed here with its callers.</summary>
internal static class EndpointTable
{
    public const string NoStore = "no-store";

    public static readonly IReadOnlyList<EndpointRow> Rows =
    [
        // Public.
        Open("GET /api/products", "/api/products"),
        Open("GET /api/session", "/api/session"),
        Open("GET /openapi/v1.json", "/openapi/v1.json", "public, max-age=60"),
        Open("GET /docs/{documentName?}", "/docs/"),
        Open("GET /docs/favicon.svg", "/docs/favicon.svg", "no-cache"),
        Open("GET /docs/scalar.js", "/docs/scalar.js", "no-cache"),
        Open("GET /docs/scalar.aspnetcore.js", "/docs/scalar.aspnetcore.js", "no-cache"),
        Open("GET /health", "/health", "no-store, no-cache"),
        Open("GET /alive", "/alive", "no-store, no-cache"),
        Open("GET /started", "/started"),

        // For buyers; an operator is one, too.
        new("POST /api/seckill/orders", "/api/seckill/orders", """{"sku_id":{sku},"quantity":1}""", [401, 200, 200, 200, 403]),
        new("GET /api/orders/seckill/status", "/api/orders/seckill/status?sku_id={sku}&client_order_no=walk", null, Own),
        new("GET /api/orders", "/api/orders", null, [401, 200, 200, 200, 200]),
        new("GET /api/orders/{order_id}", "/api/orders/{order}?sku_id={sku}", null, Own),
        new(
            "GET /api/orders/seckill/events", "/api/orders/seckill/events?sku_id={sku}", null,
            [401, 200, 200, 200, 200], "no-store, no-cache"),
        new("GET /api/orders/seckill/ws", "/api/orders/seckill/ws", null, [401, 400, 400, 400, 400]),
        new("GET /api/seckill/token", "/api/seckill/token?sku_id={sku}", null, [401, 200, 200, 200, 200]),

        // For operators.
        ForOperators("GET /api/ops/sales", "/api/ops/sales"),
        ForOperators("POST /api/ops/sales", "/api/ops/sales", 400, "{}"),
        ForOperators("PUT /api/ops/sales/{sku_id}", "/api/ops/sales/{sku}", 400, "{}"),
        ForOperators("POST /api/ops/sales/{sku_id}/pause", "/api/ops/sales/{sku}/pause"),
        ForOperators("POST /api/ops/sales/{sku_id}/resume", "/api/ops/sales/{sku}/resume"),
        ForOperators("POST /api/ops/sales/{sku_id}/stock", "/api/ops/sales/{sku}/stock", 400, "{}"),
        ForOperators("GET /api/ops/orders", "/api/ops/orders?q=7"),
        ForOperators("GET /api/ops/audit", "/api/ops/audit"),
        ForOperators("GET /api/ops/reconciliation", "/api/ops/reconciliation"),
        ForOperators("POST /api/ops/reconciliation/repair", "/api/ops/reconciliation/repair"),
        ForOperators("POST /api/ops/warm-up", "/api/ops/warm-up"),
        ForOperators("GET /api/ops/dead-letters", "/api/ops/dead-letters"),
        ForOperators("GET /api/ops/dead-letters/{id}", "/api/ops/dead-letters/none", 404),
        ForOperators("POST /api/ops/dead-letters/{id}/replay", "/api/ops/dead-letters/none/replay", 404),
        ForOperators("POST /api/ops/dead-letters/replay-all", "/api/ops/dead-letters/replay-all"),
        ForOperators("POST /api/ops/dead-letters/{id}/abandon", "/api/ops/dead-letters/none/abandon", 404),

        // Last, because it leaves its cookie in the client.
        new("POST /api/demo/login", "/api/demo/login", """{"user_id":7}""", [200, 200, 200, 200, 200]),
    ];

    /// <summary>Visible to its buyer, and not found for everyone else.</summary>
    private static int[] Own => [401, 200, 404, 404, 404];

    private static EndpointRow Open(string route, string path, string cache = NoStore) =>
        new(route, path, null, [200, 200, 200, 200, 200], cache);

    private static EndpointRow ForOperators(string route, string path, int status = 200, string? body = null) => new(
        route, path, body, [401, 403, 403, status, route.StartsWith("GET", StringComparison.Ordinal) ? status : 403]);
}
