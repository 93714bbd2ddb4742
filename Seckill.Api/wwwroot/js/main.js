// Starts the page: login, current view, periodic refresh.
import * as shop from './shop.js';
import * as clicks from './clicks.js';
import * as sales from './sales.js';
import * as orders from './orders.js';
import { t, applyWords, switchLanguage } from './words.js';

const tickMs = 500;
const main = document.getElementById('main');
const login = document.getElementById('login');
const who = document.getElementById('who');
const logInButton = document.getElementById('log-in');
let session = { user_id: null, demo_login: false };
let wish = null;
let view = 0;
let reads = 0;

async function readSession() {
  const mine = ++reads;
  const answer = await shop.session();
  // A later read has begun, after a login: this one may be from before it.
  if (mine !== reads) return;
  if (answer.status === 200) session = answer.body;
  clicks.setBuyer(session.user_id ?? null);
  showBuyer();
}

function showBuyer() {
  who.textContent = session.user_id ? t('buyer', session.user_id) : '';
  logInButton.hidden = !session.demo_login;
  logInButton.textContent = t(session.user_id ? 'switchBuyer' : 'logIn');
}

function buy(sale) {
  if (session.user_id) return clicks.click(sale);
  // Not logged in: the click is kept until after the login.
  wish = sale;
  if (session.demo_login) return openLogin();
  document.getElementById('said').textContent = t('shopLogin');
  document.getElementById('sales-error').textContent = t('shopLogin');
}

/** One of this buyer's clicks is waiting for the same buyer to log in. */
function askForLogin() {
  if (session.demo_login && !login.open) openLogin(session.user_id);
}

function openLogin(userId) {
  document.getElementById('login-error').textContent = '';
  document.getElementById('login-user').value = userId ?? 100_000 + Math.floor(Math.random() * 900_000);
  login.showModal();
}

async function logIn(event) {
  event.preventDefault();
  const answer = await shop.logIn(document.getElementById('login-user').value);
  if (answer.status !== 200) {
    document.getElementById('login-error').textContent = t('loginFailed');
    return;
  }

  login.close();
  await readSession();
  if (wish && session.user_id) clicks.click(wish);
  wish = null;
  draw();
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
logInButton.addEventListener('click', () => openLogin());
document.getElementById('login-form').addEventListener('submit', logIn);
document.getElementById('login-cancel').addEventListener('click', () => { wish = null; login.close(); });
document.getElementById('language').addEventListener('click', () => {
  switchLanguage();
  showBuyer();
  showLine(document.getElementById('line').dataset.state);
  draw();
});
addEventListener('hashchange', () => { draw(); main.focus(); });
setInterval(() => sales.update(), tickMs);
draw();
await readSession();
await refreshSales();
