// Without a network: a page with the emergency numbers instead of the browser's error. Nothing else is kept, and Exit
// takes this away too (Clear-Site-Data). The page's language stands in the address of this script.
const page = "/" + new URL(self.location).searchParams.get("lang") + "/offline";
addEventListener("install", event => event.waitUntil(caches.open("offline").then(cache => cache.add(page)).then(() => self.skipWaiting())));
addEventListener("activate", event => event.waitUntil(self.clients.claim()));
addEventListener("fetch", event => {
  if (event.request.mode !== "navigate") return;
  event.respondWith(fetch(event.request).catch(() => caches.match(page).then(kept => kept || Response.error())));
});
