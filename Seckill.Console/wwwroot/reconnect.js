// A page whose line to the console is lost. It comes back by itself; but where the login is not good any more, nobody lets the line in, and
// only the whole page can lead to the login.
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
    // Nobody answers: the line is tried again, and with it this.
  }
}
