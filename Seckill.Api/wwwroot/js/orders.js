// The buyer's orders, and one order with the times at which it passed each hop.
import * as shop from './shop.js';
import { t, money, clockTime, titleOf } from './words.js';
import { element } from './element.js';
import { pauseMs } from './pauses.js';

const hops = ['clicked', 'reserved', 'confirmed', 'picked_up', 'committed', 'told'];
const againMs = { minMs: 1_000, maxMs: 15_000 };

const badge = status => element('span', { class: `badge ${status}` }, t(status));
const link = order => `#/orders/${order.order_id}?sku_id=${order.sku_id}`;

export async function drawList(main, isCurrent) {
  main.replaceChildren(element('h1', {}, t('ordersTitle')));
  const answer = await shop.orders();
  if (!isCurrent()) return;
  if (answer.status !== 200) return main.append(problem(answer));
  if (answer.body.items.length === 0) return main.append(element('p', { class: 'notice', id: 'no-orders' }, t('noOrders')));

  const rows = element('tbody', { id: 'orders' });
  const head = element('tr', {}, ...['what', 'status', 'amount', 'when', 'order'].map(key => element('th', { scope: 'col' }, t(key))));
  main.append(element('table', { class: 'orders' }, element('thead', {}, head), rows));
  fill(main, rows, answer.body, isCurrent);
}

function fill(main, rows, page, isCurrent) {
  for (const order of page.items) {
    rows.append(element('tr', {},
      element('td', {}, titleOf(order.title) ?? `SKU ${order.sku_id}`, ` × ${order.quantity}`),
      element('td', {}, badge(order.status)),
      element('td', { class: 'number' }, order.total_amount === undefined ? '–' : money(order.total_amount)),
      element('td', { class: 'number' }, clockTime(order.timeline.clicked_at_ms)),
      element('td', { class: 'number' }, element('a', { href: link(order) }, order.order_sn ?? order.order_id))));
  }

  if (!page.before) return;
  const more = element('button', { type: 'button', class: 'quiet' }, t('more'));
  let trouble = element('p');
  more.addEventListener('click', async () => {
    more.disabled = true;
    const answer = await shop.orders(page.before);
    if (!isCurrent()) return;
    trouble.remove();
    more.disabled = false;
    if (answer.status !== 200) {
      trouble = problem(answer);
      return main.append(trouble);
    }

    more.remove();
    fill(main, rows, answer.body, isCurrent);
  });
  main.append(more);
}

/** Draws one order, and redraws it until it is decided or the view is left. An error stands above what is known. */
export async function drawOne(main, id, skuId, isCurrent) {
  const title = element('h1', {}, t('orderTitle', id));
  const back = element('p', {}, element('a', { href: '#/orders' }, t('backToOrders')));
  main.replaceChildren(title);
  let known = [];
  for (let tries = 0; isCurrent(); tries++) {
    const answer = await shop.order(id, skuId);
    if (!isCurrent()) return;
    const found = answer.status === 200;
    if (found) known = [facts(answer.body), element('h2', {}, t('timeline')), timeline(answer.body)];
    main.replaceChildren(title, ...(found ? [] : [problem(answer)]), ...known, back);
    if (found ? answer.body.status !== 'PENDING' : answer.verdict || answer.status === 401) return;
    await new Promise(resolve => setTimeout(resolve, pauseMs(tries, { ...againMs, askedMs: answer.retryAfterMs })));
  }
}

function facts(order) {
  const list = element('dl', { class: 'facts' });
  const add = (key, ...value) => list.append(element('dt', {}, t(key)), element('dd', {}, ...value));
  add('status', badge(order.status));
  add('what', titleOf(order.title) ?? `SKU ${order.sku_id}`);
  add('quantity', String(order.quantity));
  if (order.total_amount !== undefined) add('amount', money(order.total_amount));
  if (order.order_sn) add('order', element('span', { class: 'mono', id: 'order-sn' }, order.order_sn));
  if (order.payment) add('payment', t(order.payment));
  if (order.reason) add('reason', order.reason);
  if (order.trace_id) add('trace', element('code', { class: 'mono', id: 'trace-id' }, order.trace_id));
  return list;
}

function timeline(order) {
  const list = element('ol', { class: 'hops', id: 'timeline' });
  const start = order.timeline.clicked_at_ms;
  for (const hop of hops) {
    const at = order.timeline[`${hop}_at_ms`];
    const passed = at !== undefined && at !== null;
    list.append(element('li', { 'data-hop': hop, ...(passed ? { class: 'passed' } : {}) },
      t(hop),
      passed
        ? element('time', { datetime: new Date(at).toISOString() }, hop === 'clicked' ? clockTime(at) : `+${Math.max(0, at - start)} ms`)
        : element('time', {}, order.status === 'PENDING' ? t('notYet') : t('notStored'))));
  }

  return list;
}

function problem(answer) {
  const text = answer.status === 401 ? t('logInFirst') : answer.status === 404 ? t('notFound') : answer.away ? t('away')
    : t('loadFailed') + (answer.body.error ?? '');
  return element('p', { class: 'notice', role: 'alert' }, text);
}
