// Shows "no connection" instead of the browser's own error, and keeps files whose address names their content.
// Of a person it keeps, until that person signs out: the pages of machines' manuals, spares and contacts that were
// opened, and the manuals and photos themselves that were opened.
const KEPT = "officina-2";
const OWN = "officina-own";
const OFFLINE = "/offline";
const AIDS = /^\/machines\/[^/]+\/aids$/;
const FILE = /^\/api\/v1\/machines\/[^/]+\/files\/[^/]+$/;
const MACHINE = /^\/(?:machines|tablet)\/([^/]+)$/;
const PATIENCE_MILLISECONDS = 8000; // a connection that half works must not keep a person from what is kept
const FILES_MAX = 60;
let turn = 0; // goes up when somebody signs out: an answer that was still on its way is not kept then

const filesOf = (text) => [...new Set([...text.matchAll(/(?:href|src)="(\/static\/[^"]+)"/g)].map((found) => found[1]))];

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const kept = await caches.open(KEPT);
    const answer = await fetch(OFFLINE); // it bears nobody's name, whoever is signed in
    if (!answer.ok) throw new Error("no page to keep"); // the browser tries again with the next page
    await kept.put(OFFLINE, answer.clone());
    await kept.addAll(filesOf(await answer.text()));
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name !== KEPT && name !== OWN) await caches.delete(name);
    await self.clients.claim();
  })());
});

const forget = () => { turn += 1; return caches.delete(OWN); };

const found = async (path) => (await caches.open(OWN)).match(path, { ignoreVary: true });

const fromKept = async (request) => {
  const kept = await caches.match(request, { ignoreVary: true });
  return kept ?? fetch(request);
};

// The oldest files make room for new ones; pages are small and stay.
const makeRoom = async (own) => {
  const files = (await own.keys()).filter((each) => FILE.test(new URL(each.url).pathname));
  for (const each of files.slice(0, Math.max(0, files.length - FILES_MAX))) await own.delete(each);
};

const keep = async (path, answer, began) => {
  if (AIDS.test(path)) {
    const kept = await caches.open(KEPT);
    for (const file of filesOf(await answer.clone().text())) if (!(await kept.match(file))) await kept.add(file);
  }
  const body = await answer.blob();
  if (began !== turn) return;
  const own = await caches.open(OWN);
  await own.delete(path);
  await own.put(path, new Response(body, { headers: answer.headers }));
  await makeRoom(own);
  if (began !== turn) await caches.delete(OWN);
};

// A page that comes from what is kept says so in its first tag; its own text says when it was read.
const shown = async (path, kept) => {
  if (!AIDS.test(path)) return kept;
  const text = (await kept.text()).replace("<html ", "<html data-kept ");
  const headers = new Headers(kept.headers);
  for (const name of ["content-length", "content-encoding"]) headers.delete(name);
  return new Response(text, { headers });
};

const inTime = (asked) => Promise.race([
  asked,
  new Promise((_, reject) => { setTimeout(() => reject(new Error("no answer in time")), PATIENCE_MILLISECONDS); }),
]);

const keepable = async (event, path) => {
  const began = turn;
  const asked = fetch(event.request);
  event.waitUntil(asked.then(async (answer) => {
    if (answer.status === 200) await keep(path, answer.clone(), began);
    else if (answer.status === 403 || answer.status === 404) await (await caches.open(OWN)).delete(path);
  }).catch(() => {}));
  const kept = await found(path);
  try {
    const answer = (await (kept ? inTime(asked) : asked)).clone();
    return kept && answer.status >= 502 ? await shown(path, kept) : answer;
  } catch {
    if (kept) return shown(path, kept);
    return event.request.mode === "navigate" ? (await caches.match(OFFLINE)) ?? Response.error() : Response.error();
  }
};

const opened = async (request, path) => {
  try {
    return await fetch(request);
  } catch {
    const machine = MACHINE.exec(path);
    const aids = machine && `/machines/${machine[1]}/aids`;
    if (aids && await found(aids)) return Response.redirect(aids);
    return (await caches.match(OFFLINE)) ?? Response.error();
  }
};

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  const path = address.pathname;
  if (address.origin !== location.origin) return;
  if (path === "/sign-out" || path.startsWith("/sign-in")) event.waitUntil(forget());
  if (event.request.method !== "GET") return;
  if ((AIDS.test(path) || FILE.test(path)) && !event.request.headers.has("range")) event.respondWith(keepable(event, path));
  else if (event.request.mode === "navigate") event.respondWith(opened(event.request, path));
  else if (path.startsWith("/static/") && address.searchParams.has("v")) event.respondWith(fromKept(event.request));
});
