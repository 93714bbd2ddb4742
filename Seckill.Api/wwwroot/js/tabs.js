// One tab of a buyer, the speaker, talks to the shop for all of them: a browser allows six connections to a host over HTTP/1.1, and each
// open event stream takes one. A lock that only one tab can hold elects the speaker, and passes on when that tab is closed. A frozen tab
// keeps the lock and does not respond; then another tab steals the lock.
const askEveryMs = 5_000;

/** Without both (on a page without TLS, for instance) no tab can be sure that it is the only speaker. */
export const canShare = navigator.locks !== undefined && 'BroadcastChannel' in globalThis;

let place = null;

/** Runs for speaker of the buyer's tabs. `on` has speak(), listen(), hear(message) and present(), the state for tabs that ask. */
export function join(buyer, on) {
  leave();
  const mine = { name: `seckill.line.${buyer}`, on, speaks: false, asked: false, queued: null, done: () => {} };
  place = mine;
  mine.channel = new BroadcastChannel(mine.name);
  mine.channel.onmessage = event => receive(mine, event.data);
  mine.timer = setInterval(() => ask(mine), askEveryMs);
  ask(mine);
  stand(mine);
}

/** Gives up this tab's place; another tab takes over if there is one. */
export function leave() {
  const mine = place;
  place = null;
  if (mine === null) return;
  clearInterval(mine.timer);
  mine.queued?.abort();
  mine.channel.close();
  mine.done();
}

/** Sends a message to the buyer's other tabs. */
export const tell = message => place?.channel.postMessage(message);

export const speaks = () => place?.speaks === true;

function stand(mine, options = {}) {
  mine.queued?.abort();
  // A steal cannot be cancelled; only a queued request for the lock can.
  mine.queued = options.steal ? null : new AbortController();
  const queued = mine.queued;
  navigator.locks.request(mine.name, options.steal ? options : { signal: queued.signal }, () => hold(mine))
    .catch(() => { /* Aborted, or stolen by a tab that this one did not answer. */ })
    .then(() => {
      if (mine.queued !== queued) return;
      const spoke = mine.speaks;
      mine.speaks = mine.asked = false;
      if (mine !== place) return;
      if (spoke) mine.on.listen();
      stand(mine);
    });
}

function hold(mine) {
  if (mine !== place) return undefined;
  mine.speaks = true;
  mine.on.speak();
  // Tabs that have asked meanwhile no longer need to steal the lock.
  mine.channel.postMessage({ here: true, ...mine.on.present() });
  return new Promise(resolve => { mine.done = resolve; });
}

/** Asks the speaker for a heartbeat, and steals the lock if the last request was not answered. */
function ask(mine) {
  if (mine.speaks) return;
  if (mine.asked) stand(mine, { steal: true });
  mine.asked = !mine.speaks;
  mine.channel.postMessage({ ask: true });
}

function receive(mine, message) {
  if (mine !== place) return;
  if (message.ask) {
    if (mine.speaks) mine.channel.postMessage({ here: true, ...mine.on.present() });
    return;
  }

  mine.asked = false;
  if (!mine.speaks) mine.on.hear(message);
}

// A page that the browser is about to freeze, or to put into the back/forward cache, passes the lock on.
addEventListener('pagehide', () => place?.done());
document.addEventListener('freeze', () => place?.done());
