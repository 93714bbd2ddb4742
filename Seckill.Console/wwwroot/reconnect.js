// For a page that has lost its connection to the console. Blazor tries to reconnect for some six minutes. In three cases only a reload
// helps: the login has expired, so that the connection is refused, and the page leads to the login; the console no longer knows this page
// ("rejected"); Blazor has given up ("failed"). So the console is asked for the page until the connection is back or the page is reloaded.
const modal = document.getElementById("components-reconnect-modal");
const timeoutMs = 5000;
const pauseMs = 3000;

let state = "hide";
let asking = false;

modal.addEventListener("components-reconnect-state-changed", event => {
  state = event.detail.state;
  if (state !== "hide" && !asking) {
    askAsync();
  }
});

// Blazor would follow this link within the page, over the lost connection.
modal.querySelector("a").addEventListener("click", event => {
  event.preventDefault();
  location.reload();
});

async function askAsync() {
  asking = true;
  while (state !== "hide") {
    if (await needsReloadAsync()) {
      location.reload();
      return;
    }
    await new Promise(resolve => setTimeout(resolve, pauseMs));
  }
  asking = false;
}

async function needsReloadAsync() {
  try {
    const page = await fetch(location.href, { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(timeoutMs) });
    const isGivenUp = state === "failed" || state === "rejected";
    return state !== "hide" && (page.type === "opaqueredirect" || (isGivenUp && page.ok));
  } catch {
    // No answer: the console is asked again after the pause.
    return false;
  }
}
