// The buyer of this page. The cookie decides, and another tab may change it: a page must not act for a buyer that it does not show.
import * as shop from './shop.js';
import { pauseMs } from './pauses.js';

const readAgainMs = { minMs: 1_000, maxMs: 15_000 };
const loginKey = 'seckill.login';

let buyer;
let offersLogin = false;
let away = false;
let reads = 0;
let onChange = () => {};

/** The buyer's id; null for a visitor; undefined until the shop has answered. */
export const buyerId = () => buyer;

/** Whether the shop offers a login without a password. */
export const hasDemoLogin = () => offersLogin;

/** Whether the latest question was not answered. */
export const isAway = () => away;

/** Reads the session, and again when another tab may have changed it. Calls back each time, with the buyer before it. */
export function begin(changed) {
  onChange = changed;
  addEventListener('storage', event => { if (event.key === loginKey) read(); });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) read(); });
  read();
}

/** Asks until the shop answers. A later read replaces this one, whose answer may be from before a login. */
async function read() {
  const mine = ++reads;
  for (let tries = 0; mine === reads; tries++) {
    const answer = await shop.session();
    if (mine !== reads) return;
    away = answer.status !== 200;
    if (!away) {
      offersLogin = answer.body.demo_login === true;
      // After a login has expired, the buyer's clicks still wait for the same buyer.
      return set(answer.body.user_id ?? buyer ?? null);
    }

    onChange(buyer);
    await new Promise(resolve => setTimeout(resolve, pauseMs(tries, { ...readAgainMs, askedMs: answer.retryAfterMs })));
  }
}

function set(next) {
  const before = buyer;
  buyer = next;
  onChange(before);
}

/** Logs in without a password; returns whether that succeeded. The buyer is unknown until the shop has confirmed it. */
export async function logIn(userId) {
  const answer = await shop.logIn(userId);
  if (answer.status !== 200) return false;
  set(undefined);
  localStorage.setItem(loginKey, String(Date.now()));
  read();
  return true;
}

/** Asks whose the cookie is by now: 'same', 'other', after which the page changes to that buyer, or 'unknown'. */
export async function whose() {
  const asked = buyer;
  const answer = await shop.session();
  if (answer.status !== 200 || buyer !== asked) return 'unknown';
  // With an expired login the shop itself refuses.
  if ((answer.body.user_id ?? asked) === asked) return 'same';
  read();
  return 'other';
}
