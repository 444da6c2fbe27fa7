// What every page does besides showing itself. Without it pages can be read and forms can be sent.
const LOST_MILLISECONDS = 8000; // the stream is never silent for longer than its heartbeat, 5 s
const TICK_MILLISECONDS = 1000;

const live = document.getElementById("live");
const lost = document.getElementById("lost");
let heard = Date.now();

if (live) {
  const hear = () => { heard = Date.now(); };
  for (const event of ["snapshot", "machine", "heartbeat"]) live.addEventListener(event, hear);
  document.addEventListener("visibilitychange", hear);
}

// A part of the page that was just fetched may carry texts for places outside of it.
const copy = () => {
  for (const from of document.querySelectorAll("[data-copy]")) {
    const to = document.getElementById(from.dataset.copy);
    if (to && to.textContent !== from.textContent) to.textContent = from.textContent;
  }
};
document.addEventListener("htmx:after:swap", copy);

const two = (number) => String(number).padStart(2, "0");
const running = (seconds) => (seconds < 3600
  ? `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`
  : `${Math.floor(seconds / 3600)}:${two(Math.floor((seconds % 3600) / 60))}`);

const tick = () => {
  if (lost && live && !document.hidden) lost.hidden = Date.now() - heard < LOST_MILLISECONDS;
  for (const timer of document.querySelectorAll("[data-timer]")) {
    timer.textContent = running(Math.max(0, Math.floor((Date.now() - Number(timer.dataset.timer)) / 1000)));
  }
};
setInterval(tick, TICK_MILLISECONDS);
tick();

// A menu closes when something else is chosen.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.who[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// A file that is larger than is kept does not travel first.
document.addEventListener("change", (event) => {
  const { most, large } = event.target.dataset ?? {};
  if (most) event.target.setCustomValidity([...event.target.files].some((file) => file.size > Number(most)) ? large : "");
});

if ("serviceWorker" in navigator) navigator.serviceWorker.register("/service-worker.js").catch(() => {});

// The offline page says since when, and a kept page how old it is; both go back as soon as the server answers.
const since = document.getElementById("since");
const keptAge = document.getElementById("kept-age");
const root = document.documentElement;
const own = "caches" in window ? () => caches.open("officina-own") : null; // there is none without a safe connection
if (since) since.textContent = new Date().toLocaleTimeString(root.lang, { hour: "2-digit", minute: "2-digit" });

const ageOf = (milliseconds) => {
  const minutes = Math.max(0, Math.floor(milliseconds / 60000));
  const [count, unit] = minutes < 60 ? [minutes, "minute"] : minutes < 2880 ? [Math.floor(minutes / 60), "hour"] : [Math.floor(minutes / 1440), "day"];
  return new Intl.RelativeTimeFormat(root.lang).format(-count, unit);
};

const tellAge = () => { keptAge.textContent = ` (${ageOf(Date.now() - Number(keptAge.dataset.read))})`; };

// Without a connection each manual says whether it can be read.
const tellManuals = async () => {
  const words = document.querySelector("[data-kept-word]")?.dataset;
  if (!words || !own) return;
  const files = await own();
  for (const link of document.querySelectorAll(".documents a")) {
    const isKept = await files.match(new URL(link.href).pathname, { ignoreVary: true });
    const word = link.parentElement.querySelector("small") ?? link.parentElement.appendChild(document.createElement("small"));
    word.textContent = isKept ? words.keptWord : words.lostWord;
  }
};

const listKept = async () => {
  const place = document.getElementById("kept-pages");
  if (!place || !own) return;
  const pages = await own();
  for (const request of await pages.keys()) {
    const path = new URL(request.url).pathname;
    if (!path.endsWith("/aids")) continue;
    const read = new DOMParser().parseFromString(await (await pages.match(request)).text(), "text/html");
    const link = document.createElement("a");
    link.href = path;
    link.textContent = read.querySelector("h1").textContent;
    place.querySelector("ul").appendChild(document.createElement("li")).append(link);
    place.hidden = false;
  }
};

const goBack = () => setInterval(async () => {
  const answer = await fetch("/healthz").catch(() => null);
  if (answer?.ok) location.reload();
}, 5 * TICK_MILLISECONDS);

const tellKept = () => {
  root.dataset.kept = "";
  tellAge();
  setInterval(tellAge, 60 * TICK_MILLISECONDS);
  tellManuals();
  goBack();
};

if (since) { listKept(); goBack(); }
if (keptAge && "kept" in root.dataset) tellKept();
else if (keptAge) window.addEventListener("offline", tellKept, { once: true });
