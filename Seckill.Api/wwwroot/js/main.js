// Starts the page: login, current view, periodic refresh.
import * as session from './session.js';
import * as clicks from './clicks.js';
import * as sales from './sales.js';
import * as orders from './orders.js';
import { t, applyWords, switchLanguage } from './words.js';

const tickMs = 500;
const main = document.getElementById('main');
const login = document.getElementById('login');
const who = document.getElementById('who');
const logInButton = document.getElementById('log-in');
const notice = document.getElementById('notice');
const wishes = new Map();
let view = 0;
let isFirst = true;

function changeBuyer(before) {
  const buyer = session.buyerId();
  showBuyer();
  if (buyer !== before) {
    clicks.setBuyer(buyer ?? null);
    say('');
  }

  if (buyer !== before && buyer !== undefined) {
    if (!isFirst) draw();
    isFirst = false;
  }

  sendWishes();
}

function showBuyer() {
  const buyer = session.buyerId();
  who.textContent = buyer ? t('buyer', buyer) : '';
  logInButton.hidden = !session.hasDemoLogin();
  logInButton.textContent = t(buyer ? 'switchBuyer' : 'logIn');
}

function buy(sale) {
  wishes.set(sale.sku_id, sale);
  sendWishes();
}

/** Sends the clicks when the buyer is known. Until then, and until a visitor has logged in, they are kept. */
function sendWishes() {
  if (wishes.size === 0) return;
  if (session.buyerId() === undefined) {
    if (session.isAway()) say(t('saidAway'));
  } else if (session.buyerId() !== null) {
    for (const sale of wishes.values()) clicks.click(sale);
    wishes.clear();
  } else if (!session.hasDemoLogin()) {
    wishes.clear();
    say(t('shopLogin'));
  } else if (!login.open) openLogin();
}

function say(text) {
  notice.hidden = text === '';
  notice.textContent = text;
}

/** One of this buyer's clicks is waiting for the same buyer to log in. */
function askForLogin() {
  if (session.hasDemoLogin() && !login.open) openLogin(session.buyerId());
}

function openLogin(userId) {
  document.getElementById('login-error').textContent = '';
  document.getElementById('login-user').value = userId ?? 100_000 + Math.floor(Math.random() * 900_000);
  login.showModal();
}

async function logIn(event) {
  event.preventDefault();
  if (await session.logIn(document.getElementById('login-user').value)) login.close();
  else document.getElementById('login-error').textContent = t('loginFailed');
}

function draw() {
  const [, place, id] = location.hash.split('?')[0].split('/');
  const mine = ++view;
  const isCurrent = () => mine === view;
  markPlace('nav-sales', !place);
  markPlace('nav-orders', place === 'orders');
  if (place === 'orders' && id) orders.drawOne(main, id, new URLSearchParams(location.hash.split('?')[1]).get('sku_id'), isCurrent);
  else if (place === 'orders') orders.drawList(main, isCurrent);
  else {
    sales.draw(main, buy);
    sales.update();
  }
}

function markPlace(id, isHere) {
  const link = document.getElementById(id);
  if (isHere) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
}

function showLine(state) {
  const line = document.getElementById('line');
  line.dataset.state = state;
  const text = state ? t(state) : '';
  if (line.textContent !== text) line.textContent = text;
}

async function refreshSales() {
  let waitMs = 5_000;
  try {
    if (!document.hidden) waitMs = await sales.refresh(buy);
  } finally {
    // An error while drawing one list must not stop later refreshes.
    setTimeout(refreshSales, waitMs);
  }
}

applyWords();
clicks.begin((skuId, line) => { if (skuId === null) showLine(line); else sales.update(skuId); }, askForLogin);
logInButton.addEventListener('click', () => { wishes.clear(); openLogin(); });
document.getElementById('login-form').addEventListener('submit', logIn);
document.getElementById('login-cancel').addEventListener('click', () => { wishes.clear(); login.close(); });
// The Escape key.
login.addEventListener('cancel', () => wishes.clear());
// By the script, because the hash names the view: #main would lead to the sales.
document.querySelector('.skip').addEventListener('click', event => {
  event.preventDefault();
  main.focus();
});
document.getElementById('language').addEventListener('click', () => {
  switchLanguage();
  showBuyer();
  say('');
  showLine(document.getElementById('line').dataset.state);
  draw();
});
addEventListener('hashchange', () => { draw(); main.focus(); });
setInterval(() => sales.update(), tickMs);
draw();
session.begin(changeBuyer);
await refreshSales();
