// Settings that only the browser knows.
const key = "seckill-console-dark";

export function read() {
  const kept = localStorage.getItem(key);
  return {
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? null,
    dark: kept === null ? matchMedia("(prefers-color-scheme: dark)").matches : kept === "true",
  };
}

export function keepColours(dark) {
  localStorage.setItem(key, dark);
}
