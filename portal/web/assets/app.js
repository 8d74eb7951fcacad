// Everything here only improves pages that already work without it. Old phones: ES2017, no modules.
(() => {
  "use strict";
  const doc = document;
  const all = (selector, root = doc) => [...root.querySelectorAll(selector)];
  const one = (selector, root = doc) => root.querySelector(selector);
  // Suggestions and results come nearly together and often: what waits is said in one go, when it is quiet.
  let unsaid = {}, quiet;
  const say = (text, wait = 0, about = "") => {
    unsaid[about] = text;
    clearTimeout(quiet);
    quiet = setTimeout(() => {
      const live = one("#live");
      if (live) live.textContent = Object.values(unsaid).join(". ");
      unsaid = {};
    }, wait);
  };

  const speech = window.speechSynthesis;

  // What this device keeps: saved contacts, and the worker's copies. Exit takes both away; the answer of the server does the
  // same (Clear-Site-Data), where the browser knows it.
  const store = (() => { try { return window.localStorage; } catch (e) { return null; } })();
  const worker = navigator.serviceWorker;
  const forgetKept = () => {
    try {
      if (store) store.clear();
      if (worker) worker.getRegistration().then(found => found && found.active && found.active.postMessage("leave")).catch(() => {});
      if (window.caches) caches.keys().then(names => names.forEach(name => caches.delete(name)));
    } catch (e) { /* Nothing may keep the page from being left. */ }
  };

  // Exit: forget the answers, hide the page at once, leave without an entry to come back to.
  const exit = one("#exit");
  const leave = event => {
    if (event) event.preventDefault();
    doc.title = "\u2026";
    doc.body.hidden = true;
    forgetKept();
    if (speech) speech.cancel();
    window.name = navigator.onLine === false ? "left unsent" : "left";
    if (!(navigator.sendBeacon && navigator.sendBeacon(exitUrl()))) forget().catch(() => {});
    location.replace(exit.dataset.to);
  };
  const exitUrl = () => exit.action + "?quiet=1";
  const forget = () => fetch(exitUrl(), { method: "POST", keepalive: true });
  // Back after Exit: nothing of what this tab has seen here is shown again. The tab's own name is what remains of us in it
  // (all storage is cleared). Whoever comes anew starts anew; what could not be sent without a network is forgotten then.
  addEventListener("pageshow", event => {
    const left = window.name;
    if (!exit || !left.startsWith("left")) return;
    const how = performance.getEntriesByType("navigation")[0];
    if (event.persisted || how && how.type === "back_forward") return leave();
    window.name = "";
    if (left !== "left") forget().then(() => location.reload()).catch(() => {});
  });
  if (exit) {
    exit.addEventListener("submit", leave);
    let presses = 0, last = 0;
    addEventListener("keydown", event => {
      if (event.key !== "Escape" || event.repeat) return;
      if (event.timeStamp - last > 2000) presses = 0;
      last = event.timeStamp;
      if (++presses > 2) leave();
    });
  }

  // Tiles: counted, never more than allowed, and "I don't know" stands alone.
  all("form").forEach(form => {
    const tiles = one("[data-max]", form);
    const count = one("#count", form);
    form.addEventListener("change", ({ target }) => {
      if (target.type !== "checkbox") {
        const place = one("[data-suggest]", form);
        if (target.type === "radio" && target.name === "answer" && place) place.value = "";
        return;
      }
      const boxes = all("input[type=checkbox]", form).filter(box => box.name === target.name);
      if (target.checked) boxes.forEach(box => {
        if (box !== target && (target.hasAttribute("data-alone") || box.hasAttribute("data-alone"))) box.checked = false;
      });
      if (!tiles) return;
      let chosen = boxes.filter(box => box.checked).length;
      const full = chosen > +tiles.dataset.max;
      if (full) { target.checked = false; chosen -= 1; }
      show(chosen, full);
    });
    const show = (chosen, full) => {
      count.hidden = !chosen;
      count.textContent = full ? tiles.dataset.full : tiles.dataset.count.replace("{n}", chosen);
    };
    if (tiles && count) show(all("[data-max] :checked, [data-with-tiles] :checked", form).length, false);
  });

  // Place and word suggestions: a combobox after ARIA 1.2 over options made by the server.
  let pressed = false;
  for (const type of ["mousedown", "mouseup"]) addEventListener(type, () => { pressed = type === "mousedown"; }, true);
  all("[data-suggest]").forEach((input, number) => {
    const list = doc.createElement("ul");
    list.id = "list" + number;
    list.className = "list";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", input.labels[0].textContent);
    list.hidden = true;
    input.after(list);
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id]]) input.setAttribute(name, value);
    let at = -1, asked = 0, timer;
    const options = () => all("[role=option]", list);
    const open = yes => {
      list.hidden = !yes;
      input.setAttribute("aria-expanded", yes);
      if (!yes) mark(-1);
    };
    const mark = index => {
      at = index;
      options().forEach((option, i) => option.setAttribute("aria-selected", i === at));
      const option = options()[at];
      if (option) { input.setAttribute("aria-activedescendant", option.id); option.scrollIntoView({ block: "nearest" }); }
      else input.removeAttribute("aria-activedescendant");
    };
    const take = option => {
      const { value, place } = option.dataset, near = place && one("[name=place]", input.form);
      input.value = value;
      if (near) near.value = place;
      clear();
      for (const name of ["change", "take"]) input.dispatchEvent(new Event(name, { bubbles: true }));
    };
    const clear = () => {
      clearTimeout(timer);
      asked++;
      open(false);
      list.textContent = "";
    };
    const ask = () => {
      const mine = ++asked, text = input.value.trim();
      if (text.length < 2) return clear();
      const url = input.dataset.suggest + (input.dataset.suggest.includes("?") ? "&" : "?") + new URLSearchParams({ q: text });
      fetch(url, { headers: { "HX-Request": "true" } }).then(answer => answer.ok ? answer.text() : "").then(html => {
        if (mine !== asked) return;
        list.innerHTML = html;
        options().forEach((option, i) => { option.id = list.id + "-" + i; });
        open(options().length > 0 && doc.activeElement === input);
        if (!list.hidden) say(list.lastElementChild.textContent, 800, "list");
      }).catch(() => {});
    };
    input.addEventListener("input", () => {
      all("[name=answer]:checked", input.form).forEach(box => { box.checked = false; });
      clearTimeout(timer);
      timer = setTimeout(ask, 180);
    });
    input.addEventListener("keydown", event => {
      const n = options().length;
      if (event.key === "Escape") {
        // The browser would empty a search field as well.
        if (!list.hidden) event.preventDefault();
        return open(false);
      }
      if (event.key === "Enter" && at < 0) return clear();
      if (!n) return;
      if (list.hidden) {
        if (!/^Arrow(Up|Down)$/.test(event.key)) return;
        open(true);
      }
      if (event.key === "ArrowDown") mark((at + 1) % n);
      else if (event.key === "ArrowUp") mark((at + n - (at < 0 ? 0 : 1)) % n);
      else if (event.key === "Enter" && at >= 0) take(options()[at]);
      else return;
      event.preventDefault();
    });
    list.addEventListener("mousedown", event => event.preventDefault());
    list.addEventListener("click", event => { const option = event.target.closest("[role=option]"); if (option) take(option); });
    // A closing list lets the page move up. While something is pressed it stays, or the tap would miss what it began on.
    const left = () => { if (doc.activeElement !== input) open(false); };
    input.addEventListener("blur", () => pressed ? addEventListener("mouseup", () => setTimeout(left), { once: true }) : left());
  });

  // Hand on: the phone's own sheet, else the clipboard.
  const copy = (text, button) => navigator.clipboard.writeText(text).then(() => say(button.lastElementChild ? (button.lastElementChild.textContent = button.dataset.done) : (button.textContent = button.dataset.done)));
  const wire = (selector, possible, act) => all(selector).forEach(button => {
    button.hidden = !possible;
    button.addEventListener("click", () => act(button));
  });
  const clip = !!navigator.clipboard;
  wire("[data-share]", !!navigator.share || clip, button => {
    const url = new URL(button.dataset.share, location).href, text = button.dataset.text;
    if (navigator.share) navigator.share({ text, url }).catch(() => {});
    else copy(text + " " + url, button);
  });
  wire("[data-copy]", clip, button => copy(one("[data-copy-text]", button.parentNode).textContent, button));
  // Images further down are loaded late; on paper they must not be missing.
  wire("[data-print]", !!window.print, () => Promise.all(all("img").map(img => {
    img.loading = "eager";
    return img.decode ? img.decode().catch(() => {}) : 0;
  })).then(() => print()));
  addEventListener("beforeprint", () => all("main details:not(.filter)").forEach(d => { d.open = true; }));

  // The menu lies over the page: whoever goes on must see where.
  all(".menu").forEach(menu => menu.addEventListener("focusout", ({ relatedTarget: to }) => {
    if (to && !menu.contains(to)) menu.open = false;
  }));

  // "Show" in an open filter closes it: the results are right below.
  addEventListener("click", event => {
    const filter = event.target.closest(".filter .btn") && event.target.closest("details");
    if (filter) { filter.open = false; filter.firstElementChild.focus(); }
    // Results come without a new page: the other language is asked what is asked here now.
    const other = event.target.closest(".langs a");
    if (other) other.search = location.search;
  });

  // Search results while typing: keep what was open, say how many there are, go on where "show more" was.
  // A search that found nothing counts only when it was meant: sent, or left as it is for three seconds.
  let opened = [], held = "", next = "", sent, missed, counted;
  const miss = () => {
    if (counted === location.href) return;
    counted = location.href;
    fetch(counted, { cache: "no-store", headers: { "HX-Request": "true", "X-Stood": "1" } }).catch(() => {});
  };
  addEventListener("htmx:configRequest", ({ detail }) => {
    clearTimeout(missed);
    sent = (detail.triggeringEvent || {}).type === "submit";
    [...detail.formData].forEach(([name, value]) => { if (value === "") detail.formData.delete(name); });
  });
  addEventListener("htmx:beforeSwap", () => { opened = all("details[open][id]").map(d => d.id); held = doc.activeElement.id; });
  addEventListener("htmx:beforeRequest", event => { next = event.target.dataset ? event.target.dataset.next || "" : ""; });
  addEventListener("htmx:afterSettle", () => {
    opened.forEach(id => { const d = doc.getElementById(id); if (d) d.open = true; });
    const total = one("[data-total]");
    if (total) say(total.textContent, +total.dataset.total ? 800 : 0, "total");
    if (one("[data-missed]")) missed = setTimeout(miss, sent ? 0 : 3000);
    const target = next && doc.getElementById(next);
    if (target) target.focus();
    // htmx cannot give the focus back to what is folded just then; and a filter that leads to nothing is gone.
    [doc.getElementById(held), total].forEach(e => { if (e && doc.activeElement === doc.body) e.focus(); });
  });

  // Without a network: keep what was chosen and say so; the worker stands in for the browser's error.
  const sayOffline = where => {
    let box = one("#offline");
    if (!box) {
      box = doc.createElement("p");
      box.id = "offline";
      box.className = "box wrong";
      box.setAttribute("role", "alert");
    }
    where.prepend(box);
    box.textContent = one("#live").dataset.offline;
    box.scrollIntoView({ block: "center" });
  };
  doc.addEventListener("submit", event => {
    if (navigator.onLine !== false || event.defaultPrevented || event.target.method !== "post") return;
    event.preventDefault();
    sayOffline(event.target);
  });

  // Keep a contact: the neutral card of the office, as the server makes it for everybody, in this browser's own store.
  const saved = () => { try { return JSON.parse(store.saved) || []; } catch (e) { return []; } };
  wire("[data-keep]", !!store, button => {
    const url = button.dataset.keep, { lang, dir } = doc.documentElement;
    fetch(url, { credentials: "omit", headers: { "HX-Request": "true" } })
      .then(answer => answer.ok ? answer.text() : Promise.reject())
      .then(html => {
        store.saved = JSON.stringify([{ url, lang, dir, html }].concat(saved().filter(card => card.url !== url)));
        say(button.lastElementChild.textContent = button.dataset.done);
        button.nextElementSibling.hidden = false;
      }).catch(() => sayOffline(button.parentNode));
  });
  addEventListener("online", () => { const box = one("#offline"); if (box) box.remove(); });
  // What it keeps comes when the page is there and somebody reads it: on a narrow line nothing else may be in the way.
  if (worker && window.caches) addEventListener("load", () => setTimeout(() => {
    worker.register("/worker.js", { updateViaCache: "all" }).then(() => worker.ready)
      .then(ready => ready.active.postMessage(doc.documentElement.lang)).catch(() => {});
  }, 2000));

  // Read aloud: only where the device itself has a voice for the language; the rest comes when it is asked for.
  const offerVoice = () => {
    const words = one("#live").dataset.words, head = one("main h1"), row = doc.createElement("p");
    const own = v => v.localService && v.lang.toLowerCase().split(/[-_]/)[0] === doc.documentElement.lang.split("-")[0];
    if (one("#read") || !head || !speech.getVoices().some(own)) return;
    row.className = "noprint";
    row.innerHTML = '<button class="plain row small" id="read" type="button"><svg class="i" viewBox="0 0 24 24" aria-hidden="true"><path d="M11 5 6 9H2v6h4l5 4zM16 9a5 5 0 0 1 0 6M19 5a10 10 0 0 1 0 14"/></svg><span></span></button>';
    const button = row.firstChild;
    button.lastChild.textContent = words.split("|")[0];
    button.dataset.words = words;
    const bring = () => {
      // Phones let a page speak only from within a touch: the empty sentence takes that right.
      speech.speak(new SpeechSynthesisUtterance(""));
      const script = doc.createElement("script");
      script.src = one("#live").dataset.reader;
      button.onclick = null;
      script.onerror = () => { button.onclick = bring; };
      doc.head.append(script);
    };
    button.onclick = bring;
    const back = one("main > .back");
    if (back) return back.append(button);
    let place = one("#languages ~ .btn") || one("main > .langs") || head;
    while (place.parentNode.id !== "main") place = place.parentNode;
    place.after(row);
  };
  if (speech) {
    offerVoice();
    if (speech.addEventListener) speech.addEventListener("voiceschanged", offerVoice);
  }

  const wrong = one("[data-focus]");
  if (wrong) wrong.focus();
})();
