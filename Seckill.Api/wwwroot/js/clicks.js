// This buyer's clicks, kept across reloads: for each SKU the click's number and its state. The number makes every repetition harmless.
import * as shop from './shop.js';
import * as line from './line.js';
import * as session from './session.js';
import { pauseMs } from './pauses.js';

const resendMs = { minMs: 1_000, maxMs: 15_000 };
const keptDays = 7;
const unknownMsMax = 30_000;

/** Longer than all requests of one try. */
const tryMsMax = 40_000;
const lateMsMax = 10_000;
const adoptEveryMs = 5_000;

/** The gate gives these errors only after it has searched for an order of the click. */
const finalErrors = ['sold out', 'limit reached', 'paused', 'number used', 'price changed'];

let userId = null;
let onChange = () => {};
let onLoginNeeded = () => {};
const resends = new Map();
const sending = new Set();

const keyOf = skuId => `seckill.click.${userId}.${skuId}`;

/** Open: sent or to be sent, and not decided. */
export const isOpen = click => click !== null && (click.state === 'sending' || click.state === 'queueing');

export function begin(changed, loginNeeded) {
  onChange = changed;
  onLoginNeeded = loginNeeded;
  line.begin(told, state => onChange(null, state));
  // Another tab of the same buyer may click too.
  addEventListener('storage', event => {
    if (userId === null || !event.key?.startsWith(`seckill.click.${userId}.`)) return;
    changed(event.key.split('.').at(-1));
    listen();
  });
  addEventListener('online', () => all().forEach(([skuId]) => send(skuId)));
  setInterval(adopt, adoptEveryMs);
}

export function setBuyer(id) {
  line.forget();
  userId = id;
  for (const [skuId, click] of all()) {
    if (Date.now() - click.at > keptDays * 86_400_000) localStorage.removeItem(keyOf(skuId));
    // A click that was never answered: sending its number again shows whether it was accepted.
    else send(skuId);
  }

  listen();
}

export function of(skuId) {
  if (userId === null) return null;
  try {
    return JSON.parse(localStorage.getItem(keyOf(skuId)));
  } catch {
    return null;
  }
}

/** The buy button. A second click while one is open is the same click. */
export function click(sale) {
  if (userId === null || isOpen(of(sale.sku_id))) return;
  const no = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  keep(sale.sku_id, { no, state: 'sending', at: Date.now(), sale: termsOf(sale) });
  send(sale.sku_id);
}

const termsOf = sale => ({
  sku_id: sale.sku_id, token_required: sale.token_required, limit_per_user: sale.limit_per_user,
  price: sale.price,
});

/** Sends the clicks of a tab that was closed before it had an answer. The same number is harmless if it was not. */
function adopt() {
  for (const [skuId, click] of all()) {
    if (click.state === 'sending' && Date.now() > (click.dueAt ?? click.at) + lateMsMax) send(skuId);
  }
}

async function send(skuId) {
  const click = of(skuId);
  if (click?.state !== 'sending' || sending.has(click.no)) return;
  sending.add(click.no);
  // Kept before the request: the page may be closed before the response.
  keep(skuId, { ...click, sent: true, dueAt: Date.now() + tryMsMax });
  const whose = click.sent ? await session.whose() : 'same';
  if (whose === 'other' || of(skuId)?.no !== click.no) {
    // It is sent after this buyer's next login.
    sending.delete(click.no);
    return;
  }

  let answer = whose === 'same' ? await shop.buy(click.sale, click.no) : shop.away;
  if (click.sent && answer.verdict && !finalErrors.includes(answer.body.error)) answer = await earlier(click) ?? answer;
  sending.delete(click.no);
  const latest = of(skuId);
  if (latest?.no !== click.no || latest.state !== 'sending') return;
  if (answer.status === 200) {
    keep(skuId, { ...queued(latest, answer.body.order_id), amount: answer.body.amount });
  } else if (answer.verdict) {
    keep(skuId, { ...latest, state: 'refused', error: answer.body.error, limit: click.sale.limit_per_user, refusedAt: Date.now() });
  } else {
    // The order may have been accepted or not: the same number is sent again until that is known.
    const trouble = answer.away ? 'away' : answer.status === 401 ? 'login' : 'busy';
    keep(skuId, { ...latest, trouble, dueAt: resend(skuId, latest, answer.retryAfterMs) });
    if (answer.status === 401) onLoginNeeded();
  }
}

/**
 * A repeat may be refused although an earlier attempt, which had no response, was accepted: the sale has ended meanwhile, or was deleted.
 * The response to the earlier attempt; null if there is no order.
 */
async function earlier(click) {
  const found = await shop.status(click.sale.sku_id, click.no);
  return found.verdict ? null : found;
}

/** The order has been accepted: errors of earlier attempts no longer matter. */
const queued = ({ trouble, dueAt, ...click }, orderId) => ({ ...click, state: 'queueing', orderId, queuedAt: Date.now() });

/** Sends a click again later, with one timer for each click and growing pauses. Returns the time. */
function resend(skuId, click, askedMs) {
  const { tries, timer } = resends.get(click.no) ?? { tries: 0 };
  clearTimeout(timer);
  const again = () => { if (of(skuId)?.no === click.no) send(skuId); };
  const waitMs = pauseMs(tries, { ...resendMs, askedMs });
  resends.set(click.no, { tries: tries + 1, timer: setTimeout(again, waitMs) });
  return Date.now() + waitMs;
}

/** Handles an outcome: a pushed one is matched by its order id, a polled one by the click's number. */
function told(outcome, no) {
  const click = of(outcome.sku_id);
  if (click === null || (no !== undefined ? click.no !== no : click.orderId !== outcome.order_id) || !isOpen(click)) return;
  const known = { ...click, orderId: outcome.order_id ?? click.orderId, amount: outcome.amount ?? click.amount };
  if (outcome.status === 'SUCCESS') keep(outcome.sku_id, { ...known, state: 'got', orderSn: outcome.order_sn });
  else if (outcome.status === 'FAILED') keep(outcome.sku_id, { ...known, state: 'failed', reason: outcome.reason });
  else if (outcome.status === 'UNKNOWN' && click.state === 'queueing' && Date.now() - click.queuedAt > unknownMsMax) {
    // The shop has lost the order: the same number is sent again, which is harmless if it has not.
    keep(outcome.sku_id, { ...click, state: 'sending' });
    send(outcome.sku_id);
  } else if (outcome.status === 'PENDING' && click.state === 'sending') keep(outcome.sku_id, queued(known, known.orderId));
}

function keep(skuId, click) {
  localStorage.setItem(keyOf(skuId), JSON.stringify(click));
  onChange(skuId);
  listen();
}

function listen() {
  line.waitFor(userId, all().filter(([, click]) => click.state === 'queueing').map(([skuId, click]) => ({ skuId, no: click.no })));
}

const all = () => Object.keys(localStorage)
  .filter(key => userId !== null && key.startsWith(`seckill.click.${userId}.`))
  .map(key => key.split('.').at(-1))
  .map(skuId => [skuId, of(skuId)])
  .filter(([, click]) => click !== null);
