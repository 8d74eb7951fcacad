// For the time without network: a few public pages and the questions, kept in the languages this phone has used.
// Everything is fetched without the cookie, so no answer is ever in it. Exit takes all of it away.
// VERSION and KNOWN (files, pages, words) are put before this script by the server (web/assets.py).
"use strict";
const NAME = "kept-" + VERSION;
const DAY = 20 * 3600e3, PATIENCE = 10e3;
const LANGUAGES = Object.keys(KNOWN.words);
const DATA = "check/offline.json";

const languageOf = url => new URL(url, location).pathname.split("/")[1];
const restOf = url => new URL(url, location).pathname.split("/").slice(2).join("/");
const opened = () => caches.open(NAME);
const find = path => opened().then(cache => cache.match(path, { ignoreVary: true })).catch(() => undefined);

const stored = (body, type, more) =>
  new Response(body, { headers: Object.assign({ "Content-Type": type, "X-Kept": String(Date.now()) }, more) });
const PAGE = "text/html; charset=utf-8";

// Everything of one language comes in one answer. It is written whole, the data of the questions last.
const keepLanguage = async lang => {
  const cache = await opened(), kept = await cache.match(`/${lang}/${DATA}`);
  if (kept && Date.now() - kept.headers.get("X-Kept") < DAY) return;
  coming = new AbortController();
  const answer = await fetch(`/${lang}/kept.json`, { credentials: "omit", cache: "no-cache", signal: coming.signal });
  if (!answer.ok) return;
  const { pages, questions } = await answer.json();
  coming = undefined;
  for (const page of Object.keys(pages)) {
    if (left) return;
    await cache.put(`/${lang}/${page}`, stored(pages[page].html, PAGE, { "Content-Security-Policy": pages[page].policy, "Referrer-Policy": "no-referrer" }));
  }
  if (!left) await cache.put(`/${lang}/${DATA}`, stored(JSON.stringify(questions), "application/json"));
};
let keeping = Promise.resolve(), left = false, coming;
// What fails is tried again with the next page that is opened.
const later = lang => (keeping = keeping.then(() => keepLanguage(lang)).catch(() => {}));

const usedLanguages = async () => {
  const found = new Set();
  for (const client of await clients.matchAll({ includeUncontrolled: true, type: "window" })) found.add(languageOf(client.url));
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) found.add(languageOf(request.url));
  }
  return LANGUAGES.filter(lang => found.has(lang));
};

const install = async () => {
  await (await opened()).addAll(KNOWN.files);
  await skipWaiting();
};
addEventListener("install", event => event.waitUntil(install()));

const activate = async () => {
  const languages = await usedLanguages();
  for (const name of await caches.keys()) if (name !== NAME) await caches.delete(name);
  await clients.claim();
  languages.forEach(later);
};
addEventListener("activate", event => event.waitUntil(activate()));

// Each page says its language when it is there; Exit says that everything goes.
addEventListener("message", event => {
  left = event.data === "leave";
  if (left) event.waitUntil(caches.keys().then(names => Promise.all(names.map(name => caches.delete(name)))));
  else if (LANGUAGES.includes(event.data)) event.waitUntil(later(event.data));
});

// The very last resort says the two numbers that always work.
const lastResort = lang => {
  const [dir, title, text, again] = KNOWN.words[lang];
  const link = (href, words) => `<p><a href="${href}">${words}</a></p>`;
  const html = `<!doctype html><html lang="${lang}" dir="${dir}"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${title}</title><main><h1>${title}</h1><p>${text}</p>${link("tel:112", "112")}${link("tel:110", "110")}${link("", again)}</main>`;
  return new Response(html, { headers: { "Content-Type": PAGE, "Content-Security-Policy": "default-src 'none'" } });
};

// Where an address leads without network: to its copy, the entrance of the questions to those that need none, the front
// door to a language this phone has used; everything else to the page that says so.
const standIn = async url => {
  let lang = languageOf(url);
  if (!KNOWN.words[lang]) {
    const used = await usedLanguages().catch(() => []);
    lang = used.length ? used[used.length - 1] : LANGUAGES[0];
    return (await find(`/${lang}/`)) || (await find(`/${lang}/offline`)) || lastResort(lang);
  }
  const rest = restOf(url) === "check" ? "check/offline" : restOf(url);
  return (await find(`/${lang}/${rest}`)) || (await find(`/${lang}/offline`)) || lastResort(lang);
};

const navigate = async request => {
  const url = request.url;
  // Whoever waits for a page gets the whole of a narrow line; what is fetched for later starts again after it.
  if (coming) coming.abort();
  const kept = request.method === "GET" && KNOWN.pages.includes(restOf(url)) ? await find(new URL(url).pathname) : undefined;
  // Once more, because what fails first is often only a connection that was left open too long.
  const fetched = fetch(request).catch(error => request.method === "GET" ? fetch(request) : Promise.reject(error));
  if (!kept) return fetched.catch(() => standIn(url));
  // A line that is there but carries nothing: after a while the copy is better than waiting.
  let timer;
  const waited = new Promise(done => { timer = setTimeout(done, PATIENCE, kept); });
  return Promise.race([fetched, waited]).catch(() => kept).then(answer => { clearTimeout(timer); return answer; });
};

addEventListener("fetch", event => {
  const request = event.request, path = new URL(request.url).pathname;
  if (new URL(request.url).origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (path === "/" || KNOWN.words[languageOf(request.url)]) event.respondWith(navigate(request));
  } else if (KNOWN.files.includes(path)) {
    event.respondWith(find(path).then(kept => kept || fetch(request)));
  } else if (restOf(request.url) === DATA) {
    event.respondWith(fetch(request).catch(() => find(path).then(kept => kept || new Response("", { status: 504 }))));
  }
});
