// The connection that outcomes arrive on: Server-Sent Events, then a WebSocket, then polling. One tab of a buyer holds it for all of them.
// A lost connection is retried as long as an order is open. After reconnecting the server first sends the outcomes decided meanwhile; a
// duplicate is harmless.
import * as shop from './shop.js';
import * as tabs from './tabs.js';
import { pauseMs } from './pauses.js';

const pollMsMin = 1_000;
const pollMsMax = 15_000;
const pollBesidePushMs = 20_000;
const reopenMs = { minMs: 1_000, maxMs: 15_000 };
const steadyMs = 10_000;
const watchEveryMs = 10_000;
const silenceMsMax = 40_000;

let source = null;
let socket = null;
let openedAt = 0;
let lastHeardAt = 0;
let wanted = [];
let joined = null;
let hear = () => {};
let show = () => {};
let state = '';
let pollTimer = 0;
let polls = 0;
let reopenTimer = 0;
let losses = 0;
let pushFailures = 0;
let pollFailed = false;

const address = path => `${path}?${wanted.map(click => `sku_id=${click.skuId}`).join('&')}`;

/** Sets the callbacks for outcomes and for the connection's state: push, poll, away, or '' when no order is open. */
export function begin(onOutcome, onState) {
  [hear, show] = [onOutcome, onState];
  addEventListener('online', () => {
    if (wanted.length === 0) return show('');
    pollFailed = false;
    if (speaks()) reopen(); else if (tabs.canShare) show(state); else startPolling();
  });
  addEventListener('offline', () => { if (wanted.length > 0) show('away'); });
  setInterval(watch, watchEveryMs);
}

/** Sets the buyer and the open clicks: [{ skuId, no }]. Opens the connection, or closes it when there are none. */
export function waitFor(buyer, clicks) {
  const before = wanted.map(click => click.skuId).join();
  wanted = clicks.slice(0, 32);
  if (wanted.length === 0) return rest();
  if (joined !== buyer) {
    joined = buyer;
    // If tabs cannot agree on one connection, none opens one: the seventh would block its whole page.
    if (tabs.canShare) tabs.join(buyer, { speak: reopen, listen: close, hear: overhear, present: () => ({ state }) });
    else startPolling();
  } else if (speaks() && before !== wanted.map(click => click.skuId).join()) reopen();
}

/** Forgets everything about the previous buyer. */
export function forget() {
  waitFor(null, []);
}

const speaks = () => tabs.speaks() && wanted.length > 0;

function rest() {
  close();
  tabs.leave();
  joined = null;
  losses = 0;
  pollFailed = false;
  state = '';
  show(state);
}

function close() {
  source?.close();
  source = null;
  const old = socket;
  socket = null;
  old?.close();
  openedAt = 0;
  clearTimeout(reopenTimer);
  clearTimeout(pollTimer);
  polls++;
}

function reopen() {
  close();
  if (wanted.length === 0) return;
  lastHeardAt = Date.now();
  if (pushFailures % 2 === 1) openSocket(); else openEvents();
  schedulePoll(pollMsMin);
}

function startPolling() {
  sayState();
  schedulePoll(pollMsMin);
}

/** Handles a message from the tab that holds the connection. */
function overhear(message) {
  if (message.state !== undefined) {
    state = message.state;
    show(navigator.onLine ? state : 'away');
  }

  if (message.outcome !== undefined) hear(message.outcome, message.no);
}

function openEvents() {
  // EventSource sends Last-Event-ID by itself, but only within one object. A new object requests the state of all open orders instead,
  // which is equivalent. It is also closed and reopened here, because otherwise the server would choose the retry delay.
  const mine = new EventSource(address('/api/orders/seckill/events'));
  source = mine;
  mine.addEventListener('listening', opened);
  mine.addEventListener('alive', () => { lastHeardAt = Date.now(); });
  mine.addEventListener('outcome', event => take(event.data));
  mine.onerror = () => {
    mine.close();
    if (source === mine) lost();
  };
}

function openSocket() {
  // Without `since`: the page may have dropped its last outcome, of a click whose answer came later.
  const url = new URL(address('/api/orders/seckill/ws'), location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const mine = new WebSocket(url);
  socket = mine;
  mine.onopen = () => { if (socket === mine) opened(); };
  mine.onmessage = event => {
    // A closing socket may still deliver messages, for a buyer who has been forgotten since.
    if (socket !== mine) return;
    take(event.data);
  };
  mine.onclose = () => { if (socket === mine) lost(); };
}

function opened() {
  openedAt = lastHeardAt = Date.now();
  sayState();
  schedulePoll(pollBesidePushMs);
}

/** Tries the other transport if this one never connected; the pauses grow unless the connection has lasted. */
function lost() {
  if (openedAt === 0) pushFailures++;
  else if (Date.now() - openedAt > steadyMs) losses = 0;
  openedAt = 0;
  source = socket = null;
  sayState();
  schedulePoll(pollMsMin);
  clearTimeout(reopenTimer);
  reopenTimer = setTimeout(reopen, pauseMs(losses++, reopenMs));
}

const isOpen = () => source?.readyState === EventSource.OPEN || socket?.readyState === WebSocket.OPEN;

/** Derived from the connection and the latest poll, never set by either: a poll that fails must not hide that outcomes are pushed. */
function sayState() {
  const now = !navigator.onLine ? 'away' : openedAt > 0 ? 'push' : pollFailed ? 'away' : 'poll';
  show(now);
  if (now === state) return;
  state = now;
  tabs.tell({ state });
}

function take(text) {
  lastHeardAt = Date.now();
  let outcome;
  try {
    outcome = JSON.parse(text);
  } catch {
    // Not a valid message from the shop.
    return;
  }

  pass(outcome);
}

/** Passes a decided outcome on to the other tabs; an undecided one is only for this tab. */
function pass(outcome, no) {
  if (outcome.status === 'SUCCESS' || outcome.status === 'FAILED') tabs.tell({ outcome, no });
  hear(outcome, no);
}

/** Reopens a connection that has been silent for too long. A socket hides its heartbeats from the page: it is suspect if polls fail too. */
function watch() {
  if (speaks() && (source !== null || isOpen() && pollFailed) && Date.now() - lastHeardAt > silenceMsMax) reopen();
}

/** Polls at growing intervals; rarely beside an open connection, which may have missed an outcome. */
function schedulePoll(delayMs, askedMs = 0) {
  const mine = ++polls;
  clearTimeout(pollTimer);
  pollTimer = setTimeout(() => poll(mine, delayMs), pauseMs(0, { minMs: delayMs, maxMs: delayMs, askedMs }));
}

async function poll(mine, delayMs) {
  let askedMs = 0;
  for (const click of [...wanted]) {
    const answer = await shop.status(click.skuId, click.no);
    askedMs = Math.max(askedMs, answer.retryAfterMs);
    if (answer.status === 200) pass(answer.body, click.no);
    else if (answer.status === 404) pass({ status: 'UNKNOWN', sku_id: click.skuId }, click.no);
    if (mine !== polls) return;
    pollFailed = answer.away === true;
    sayState();
  }

  if (wanted.length > 0) schedulePoll(isOpen() ? pollBesidePushMs : Math.min(delayMs * 2, pollMsMax), askedMs);
}
