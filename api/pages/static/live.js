// Keeps the machines page live: the stream says that something changed, the server renders what it looks like.
const REFRESH_MILLISECONDS = 1000; // never more often
const LOST_MILLISECONDS = 25000; // the server is never silent for longer than its heartbeat, 10 s by default

const area = document.getElementById("machines");
const lost = document.getElementById("lost");

if (area) {
  let heard = Date.now();
  let due = null;
  let refreshed = 0;

  const replace = (fresh) => {
    const ids = (root) => [...root.querySelectorAll("tr[id]")].map((each) => each.id).join();
    if (ids(area) !== ids(fresh)) {
      area.replaceChildren(...fresh.childNodes);
      return;
    }
    for (const part of fresh.querySelectorAll("#m-sum, #m-fresh, #m-axis, tr[id]")) {
      const shown = document.getElementById(part.id);
      if (shown.outerHTML !== part.outerHTML) shown.replaceWith(part);
    }
  };

  const refresh = async () => {
    due = null;
    refreshed = Date.now();
    try {
      const answer = await fetch(area.dataset.fragment, { headers: { Accept: "text/html" } });
      if (answer.redirected) location.assign(answer.url);
      if (!answer.ok) return;
      replace(new DOMParser().parseFromString(await answer.text(), "text/html").body);
      heard = Date.now();
    } catch {
      // The stream reconnects by itself, and its first event refreshes the page.
    }
  };

  const plan = () => {
    heard = Date.now();
    due ??= setTimeout(refresh, Math.max(0, refreshed + REFRESH_MILLISECONDS - heard));
  };

  const stream = new EventSource(area.dataset.stream);
  for (const event of ["snapshot", "machine", "heartbeat"]) stream.addEventListener(event, plan);
  stream.addEventListener("error", () => {
    // A refused stream is not tried again by the browser: the page goes on without it.
    if (stream.readyState === EventSource.CLOSED) setInterval(plan, 10 * REFRESH_MILLISECONDS);
  });
  setInterval(() => { lost.hidden = Date.now() - heard < LOST_MILLISECONDS; }, REFRESH_MILLISECONDS);
}
