// Shows "no connection" instead of the browser's own error, and keeps files whose address names their content.
const KEPT = "officina-1";
const OFFLINE = "/offline";

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const kept = await caches.open(KEPT);
    const answer = await fetch(OFFLINE);
    await kept.put(OFFLINE, answer.clone());
    const files = [...(await answer.text()).matchAll(/(?:href|src)="(\/static\/[^"]+)"/g)].map((found) => found[1]);
    await kept.addAll([...new Set(files)]);
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name !== KEPT) await caches.delete(name);
    await self.clients.claim();
  })());
});

const fromKept = async (request) => {
  const kept = await caches.match(request);
  return kept ?? fetch(request);
};

const opened = async (request) => {
  try {
    return await fetch(request);
  } catch {
    return (await caches.match(OFFLINE)) ?? Response.error();
  }
};

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || address.origin !== location.origin) return;
  if (event.request.mode === "navigate") event.respondWith(opened(event.request));
  else if (address.pathname.startsWith("/static/") && address.searchParams.has("v")) event.respondWith(fromKept(event.request));
});
