// How long the page waits before it asks again. Nothing that the server says makes it ask in a tight loop, or never again.
const retryAfterMsMax = 60_000;

/** The seconds or the HTTP date of a Retry-After, ms; 0 for none, for one that cannot be read and for one in the past. */
export function retryAfterMs(header, serverMs = Date.now()) {
  const text = (header ?? '').trim();
  const ms = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - serverMs;
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), retryAfterMsMax);
}

/** The pause after so many tries: twice as long each time, and as long as the server has asked for; a quarter more or less. */
export const pauseMs = (tries, { minMs, maxMs, askedMs = 0 }) =>
  Math.max(askedMs, Math.min(minMs * 2 ** tries, maxMs)) * (0.75 + Math.random() / 2);
