// Without a network: a page with the emergency numbers instead of the browser's error, in the language of the address.
// Nothing else is kept, and Exit takes this away too (Clear-Site-Data).
addEventListener("fetch", event => {
  if (event.request.mode !== "navigate") return;
  const page = "/" + new URL(event.request.url).pathname.split("/")[1] + "/offline";
  event.respondWith(fetch(event.request).catch(() => caches.match(page).then(kept => kept || Response.error())));
});
