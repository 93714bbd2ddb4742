// For a page that has lost its connection to the console. Blazor reconnects by itself; but once the login has expired, the connection is
// refused, and only a reload leads to the login page.
const modal = document.getElementById("components-reconnect-modal");
const timeoutMs = 5000;

modal.addEventListener("components-reconnect-state-changed", event => {
  if (event.detail.state !== "hide") {
    lookAsync(event.detail.state === "rejected");
  }
});

async function lookAsync(isRejected) {
  try {
    const page = await fetch(location.href, { redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(timeoutMs) });
    if (page.type === "opaqueredirect" || (isRejected && page.ok)) {
      location.reload();
    }
  } catch {
    // No answer: the connection is retried, and then this check runs again.
  }
}
