// The line on which outcomes come: Server-Sent Events, then a WebSocket, then questions now and then. A lost line is tried again for as
// long as somebody waits; what was decided meanwhile is told first when it is back, and what is told twice is the same outcome.
import * as shop from './shop.js';

const pollMsMin = 1_000;
const pollMsMax = 15_000;
const pollBesidePushMs = 20_000;
const pushRetryMs = 10_000;
const silenceMsMax = 40_000;
const eventErrorsMax = 2;

let source = null;
let socket = null;
let lastHeardAt = 0;
let lastId = '';
let wanted = [];
let hear = () => {};
let show = () => {};
let pollTimer = 0;
let pollMs = pollMsMin;
let pushFailures = 0;

const address = path => `${path}?${wanted.map(click => `sku_id=${click.skuId}`).join('&')}`;

/** Says who is to be told, and where the state of the line is shown: push, poll, away or '' when nobody waits. */
export function begin(onOutcome, onState) {
  [hear, show] = [onOutcome, onState];
  addEventListener('online', () => reopen());
  addEventListener('offline', () => show('away'));
  setInterval(watch, pushRetryMs);
}

/** Whose outcomes are waited for: [{ skuId, no }]. Opens the line, and closes it when there is nobody. */
export function waitFor(clicks) {
  const before = wanted.map(click => click.skuId).join();
  wanted = clicks.slice(0, 32);
  if (wanted.length === 0) return close();
  if ((source === null && socket === null) || before !== wanted.map(click => click.skuId).join()) reopen();
}

/** A new buyer: nothing of the old one's is known. */
export function forget() {
  lastId = '';
  waitFor([]);
}

function close() {
  source?.close();
  source = null;
  const old = socket;
  socket = null;
  old?.close();
  clearTimeout(pollTimer);
  pollTimer = 0;
  show('');
}

function reopen() {
  source?.close();
  source = null;
  if (wanted.length === 0) return;
  if (pushFailures % 2 === 1) openSocket(); else openEvents();
  schedulePoll(pollMsMin);
}

function openEvents() {
  // EventSource sends Last-Event-ID by itself, but only within one object: a new one asks for the state of all it waits for, which says as
  // much.
  const mine = new EventSource(address('/api/orders/seckill/events'));
  let errors = 0;
  source = mine;
  mine.addEventListener('listening', () => { errors = 0; opened(); });
  mine.addEventListener('alive', () => { lastHeardAt = Date.now(); });
  mine.addEventListener('outcome', event => take(event.lastEventId, JSON.parse(event.data)));
  mine.onerror = () => {
    if (source !== mine) return;
    lost();
    // It tries again by itself; where something in between lets no events pass, a socket may.
    if (mine.readyState !== EventSource.CLOSED && ++errors < eventErrorsMax) return;
    mine.close();
    source = null;
    pushFailures++;
  };
}

function openSocket() {
  const url = new URL(address('/api/orders/seckill/ws') + (lastId ? `&since=${lastId}` : ''), location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const mine = new WebSocket(url);
  let wasOpen = false;
  socket = mine;
  mine.onopen = () => { wasOpen = true; opened(); };
  mine.onmessage = event => {
    const outcome = JSON.parse(event.data);
    take(outcome.settled_at_ms ? `${outcome.settled_at_ms}-${outcome.order_id}` : '', outcome);
  };
  mine.onclose = () => {
    if (socket !== mine) return;
    socket = null;
    if (!wasOpen) pushFailures++;
    lost();
  };
}

function opened() {
  lastHeardAt = Date.now();
  show('push');
  schedulePoll(pollBesidePushMs);
}

function lost() {
  show(navigator.onLine ? 'poll' : 'away');
  schedulePoll(pollMsMin);
}

const isOpen = () => source?.readyState === EventSource.OPEN || socket?.readyState === WebSocket.OPEN;

function take(id, outcome) {
  lastHeardAt = Date.now();
  if (id) lastId = id;
  hear(outcome);
}

/** A line that is gone, or silent for longer than its signs of life allow, is opened again. */
function watch() {
  if (wanted.length === 0) return;
  const silent = source !== null && Date.now() - lastHeardAt > silenceMsMax;
  if (silent || (source === null && socket === null)) reopen();
}

/** Asks, further and further apart; seldom beside an open line, which may have missed a word. */
function schedulePoll(delayMs) {
  pollMs = delayMs;
  clearTimeout(pollTimer);
  pollTimer = setTimeout(poll, pollMs * (0.75 + Math.random() / 2));
}

async function poll() {
  for (const click of [...wanted]) {
    const answer = await shop.status(click.skuId, click.no);
    if (answer.status === 200) hear(answer.body, click.no);
    else if (answer.status === 404) hear({ status: 'UNKNOWN', sku_id: click.skuId }, click.no);
    else if (answer.away) show('away');
  }

  if (wanted.length > 0) schedulePoll(isOpen() ? pollBesidePushMs : Math.min(pollMs * 2, pollMsMax));
}
