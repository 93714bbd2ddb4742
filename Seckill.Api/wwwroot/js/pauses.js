// Pauses between the page's requests. No response can make the page poll in a tight loop, or stop polling.
const retryAfterMsMax = 60_000;

/** Parses a Retry-After in seconds or as an HTTP date into ms; 0 when it is absent, invalid or in the past. */
export function retryAfterMs(header, serverMs = Date.now()) {
  const text = (header ?? '').trim();
  const ms = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - serverMs;
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), retryAfterMsMax);
}

/** The pause after this many tries: doubled each time, at least as long as the server asked for, give or take a quarter. */
export const pauseMs = (tries, { minMs, maxMs, askedMs = 0 }) =>
  Math.max(askedMs, Math.min(minMs * 2 ** tries, maxMs)) * (0.75 + Math.random() / 2);
