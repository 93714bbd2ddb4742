// The sale list: one card per SKU, drawn once and then kept up to date.
import * as shop from './shop.js';
import * as clicks from './clicks.js';
import { t, money, number, titleOf } from './words.js';
import { element } from './element.js';

const slowMs = 10_000;
const limitMsMax = 600_000;
const cards = new Map();
let known = new Map();

/** The button's text and whether it is enabled, from the sale's terms, the stock and the buyer's own click. */
export function stateOf(sale, click, now) {
  if (clicks.isOpen(click)) {
    const said = click.trouble === 'login' ? t('saidLogin') : click.trouble === 'away' ? t('saidAway')
      : click.trouble === 'busy' ? t('saidBusy') : click.state === 'sending' ? t('saidSending')
      : Date.now() - (click.queuedAt ?? click.at) > slowMs ? t('saidSlow') : t('saidQueueing');
    return { name: 'queueing', word: 'queueing', said, tone: 'wait' };
  }

  const got = click?.state === 'got';
  const gotSaid = got ? t('saidGot', click.orderSn, click.amount === undefined ? '' : money(click.amount)) : '';
  if (now >= sale.ends_at_ms) {
    const name = got ? 'got' : 'ended';
    return { name, word: name, said: gotSaid || t('saidEnded'), tone: got ? 'good' : 'bad' };
  }

  if (got && sale.limit_per_user <= 1) return { name: 'got', word: 'got', said: gotSaid, tone: 'good' };
  if (now < sale.starts_at_ms) return { name: 'notStarted', word: 'notStarted', said: '', tone: 'bad' };
  if (sale.paused) return { name: 'paused', word: 'paused', said: gotSaid || t('saidPaused'), tone: got ? 'good' : 'bad' };
  const refused = click?.state === 'refused' ? click.error : null;
  if (refused === 'limit reached' && isFresh(click, sale)) {
    return { name: 'limitReached', word: 'limitReached', said: t('saidLimit'), tone: 'bad' };
  }

  if (sale.stock === 0) return { name: 'soldOut', word: 'soldOut', said: gotSaid || t('saidSoldOut'), tone: got ? 'good' : 'bad' };
  if (got) return { name: 'buy', word: 'buyMore', said: gotSaid, tone: 'good', enabled: true };
  if (click?.state === 'failed') return { name: 'again', word: 'again', said: t('saidFailed', click.reason), tone: 'bad', enabled: true };
  if (refused === 'sold out') return { name: 'again', word: 'again', said: t('saidSoldOut'), tone: 'bad', enabled: true };
  if (refused) return { name: 'again', word: 'again', said: saidOf(refused), tone: 'bad', enabled: true };
  return { name: 'buy', word: 'buy', said: '', tone: 'bad', enabled: true };
}

/** Whether a refusal still applies: the limit may have been raised, or an order returned. */
const isFresh = (click, sale) => click.limit === sale.limit_per_user && Date.now() - click.refusedAt < limitMsMax;

const saidOf = error => ({
  'limit reached': t('saidLimit'),
  paused: t('saidPaused'),
  ended: t('saidEnded'),
  'not started': t('saidNotStarted'),
  'price changed': t('saidPrice'),
})[error] ?? t('saidWrong', error);

/** Draws the page; `buy` is called with a sale. */
export function draw(main, buy) {
  cards.clear();
  const list = element('ul', { class: 'sales', id: 'sales' });
  main.replaceChildren(
    element('h1', {}, t('salesTitle')), element('p', { class: 'lead' }, t('lead')),
    element('p', { class: 'error', id: 'sales-error', role: 'alert' }), list);
  for (const sale of known.values()) safely(() => list.append(card(sale, buy)));
}

/** Reports an error in one sale, which must not hide the others. */
function safely(act) {
  try {
    act();
  } catch (error) {
    reportError(error);
  }
}

/** Fetches the sales; adds, changes and removes cards. Returns the time until the next refresh, ms. */
export async function refresh(buy) {
  const answer = await shop.sales();
  const list = document.getElementById('sales');
  if (answer.status !== 200) {
    if (list) set(document.getElementById('sales-error'), t('loadFailed'));
    return 3_000;
  }

  known = new Map(answer.body.items.map(sale => [sale.sku_id, sale]));
  if (!list) return 5_000;
  document.getElementById('sales-error').textContent = '';
  for (const [skuId, entry] of cards) {
    if (!known.has(skuId)) {
      entry.root.remove();
      cards.delete(skuId);
    }
  }

  for (const sale of known.values()) {
    if (!cards.has(sale.sku_id)) safely(() => list.append(card(sale, buy)));
    update(sale.sku_id);
  }

  return 2_000;
}

/** Updates one card, or all. */
export function update(skuId) {
  for (const [id, entry] of cards) {
    if ((skuId === undefined || id === skuId) && known.has(id)) safely(() => fill(entry, known.get(id)));
  }
}

function card(sale, buy) {
  const entry = {
    price: element('strong'),
    struck: element('s'),
    struckWord: element('span', { class: 'unseen' }),
    clock: element('p', { class: 'clock' }),
    left: element('span'),
    bar: element('progress', { max: '100' }),
    terms: element('p', { class: 'terms' }),
    said: element('p', { class: 'state', 'aria-live': 'polite' }),
    order: element('a', { hidden: '' }),
    button: element('button', { type: 'button', class: 'buy' }),
    title: element('h2', { id: `title-${sale.sku_id}` }),
    attrs: element('p', { class: 'attrs' }),
  };
  entry.button.setAttribute('aria-describedby', `title-${sale.sku_id}`);
  entry.button.addEventListener('click', () => buy(known.get(sale.sku_id)));
  entry.root = element('li', { class: 'sale', 'data-sku': sale.sku_id },
    element('img', { src: sale.image, alt: '', loading: 'lazy' }),
    element('div', {}, entry.title, entry.attrs, element('p', { class: 'price' }, entry.price, entry.struckWord, entry.struck), entry.clock,
      element('div', { class: 'stock' }, entry.left, entry.bar), entry.terms, entry.said, entry.order, entry.button));
  fill(entry, sale);
  cards.set(sale.sku_id, entry);
  return entry.root;
}

function fill(entry, sale) {
  const now = shop.now();
  const click = clicks.of(sale.sku_id);
  const state = stateOf(sale, click, now);
  set(entry.title, titleOf(sale.title));
  set(entry.attrs, typeof sale.attrs === 'string' ? sale.attrs : Object.values(sale.attrs ?? {}).join(' · '));
  set(entry.price, money(sale.price));
  set(entry.struck, sale.list_price > sale.price ? money(sale.list_price) : '');
  set(entry.struckWord, sale.list_price > sale.price ? t('was') : '');
  set(entry.clock, clockOf(sale, now));
  set(entry.left, leftOf(sale));
  entry.bar.hidden = !(sale.units > 0);
  entry.bar.value = sale.units > 0 ? Math.min(100, Math.round(100 * (sale.stock ?? 0) / sale.units)) : 0;
  entry.bar.setAttribute('aria-label', t('stockLabel'));
  set(entry.terms, t('limit', sale.limit_per_user));
  set(entry.said, state.said);
  entry.said.className = `state ${state.tone}`;
  entry.order.hidden = !click?.orderId;
  if (click?.orderId) {
    entry.order.href = `#/orders/${click.orderId}?sku_id=${sale.sku_id}`;
    set(entry.order, t('details'));
  }

  set(entry.button, t(state.word));
  entry.button.dataset.state = state.name;
  entry.button.disabled = !state.enabled;
}

/** Writes only changes: a screen reader reads everything that is written. */
function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function leftOf(sale) {
  if (sale.stock === undefined || sale.stock === null) return t('unknownStock');
  if (sale.stock === 0) return t('none');
  return sale.units > 0
    ? t('left', number(sale.stock), Math.max(1, Math.round(100 * sale.stock / sale.units)))
    : t('leftPlain', number(sale.stock));
}

function clockOf(sale, now) {
  if (now >= sale.ends_at_ms) return t('over');
  return now < sale.starts_at_ms ? t('startsIn', span(sale.starts_at_ms - now)) : t('endsIn', span(sale.ends_at_ms - now));
}

function span(ms) {
  const seconds = Math.ceil(ms / 1000);
  const two = number => String(number).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  const clock = `${two(Math.floor(seconds / 3600) % 24)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return days > 0 ? `${t('days', days)} ${clock}` : clock;
}
