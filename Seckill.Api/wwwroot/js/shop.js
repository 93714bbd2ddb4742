// Calls the Api. Every call completes: with a response, or with `away` when there was none in time.
import { retryAfterMs } from './pauses.js';

const requestTimeoutMs = 10_000;

/** Not logged in, time-out, too many requests: these say nothing about the order. */
const noVerdict = [401, 408, 429];

let offsetMs = 0;

/** The server's clock: countdowns must not depend on the buyer's. */
export const now = () => Date.now() + offsetMs;

function keepTime(serverMs, sentAt) {
  if (Number.isFinite(serverMs)) offsetMs = serverMs - (sentAt + Date.now()) / 2;
}

/** There was no answer. */
export const away = { status: 0, away: true, body: {}, retryAfterMs: 0 };

async function call(path, options = {}) {
  try {
    const response = await fetch(path, { signal: AbortSignal.timeout(requestTimeoutMs), ...options });
    const body = bodyOf(await response.text());
    // A response from an intermediary, such as a proxy: the result of the call is unknown.
    if (response.ok && body === null) return { ...away, cause: 'no JSON' };
    const serverMs = Date.parse(response.headers.get('Date') ?? '') || now();
    const isProblem = response.headers.get('Content-Type')?.startsWith('application/problem+json') && typeof body?.error === 'string';
    // Another refusal, such as a proxy's or a firewall's, says nothing about an earlier call.
    const verdict = isProblem && response.status < 500 && !noVerdict.includes(response.status);
    const pauseMs = retryAfterMs(response.headers.get('Retry-After'), serverMs);
    return { status: response.status, verdict, body: body ?? {}, retryAfterMs: pauseMs };
  } catch (cause) {
    return { ...away, cause };
  }
}

/** Parses an object; null for anything else, such as the error page of an intermediary. */
function bodyOf(text) {
  try {
    const body = JSON.parse(text);
    return typeof body === 'object' ? body : null;
  } catch {
    return null;
  }
}

const post = (path, body, headers = {}) =>
  call(path, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) });

export async function session() {
  const sentAt = Date.now();
  const answer = await call('/api/session', { cache: 'no-store' });
  if (answer.status === 200) keepTime(answer.body.now_ms, sentAt);
  return answer;
}

export async function sales() {
  const sentAt = Date.now();
  const answer = await call('/api/products', { cache: 'no-store' });
  if (answer.status === 200) keepTime(answer.body.now_ms, sentAt);
  return answer.status === 200 && !Array.isArray(answer.body.items) ? { ...away, cause: 'no list' } : answer;
}

export const logIn = userId => post('/api/demo/login', { user_id: userId });

export const orders = before => call(`/api/orders${before ? `?before=${before}` : ''}`, { cache: 'no-store' });

export const order = (id, skuId) => call(`/api/orders/${id}${skuId ? `?sku_id=${skuId}` : ''}`, { cache: 'no-store' });

export const status = (skuId, clientOrderNo) =>
  call(`/api/orders/seckill/status?sku_id=${skuId}&client_order_no=${encodeURIComponent(clientOrderNo)}`, { cache: 'no-store' });

/** Sends one click. Sent again with the same number it never makes a second order. */
export async function buy(sale, clientOrderNo) {
  const headers = {};
  if (sale.token_required) {
    const token = await call(`/api/seckill/token?sku_id=${sale.sku_id}`, { cache: 'no-store' });
    if (token.status !== 200) return token;
    headers['X-Purchase-Token'] = token.body.purchase_token;
  }

  return post('/api/seckill/orders', { sku_id: sale.sku_id, quantity: 1, client_order_no: clientOrderNo, price: sale.price }, headers);
}
