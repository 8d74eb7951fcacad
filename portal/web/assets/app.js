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

  // Exit: forget the answers, hide the page at once, leave without an entry to come back to.
  const exit = one("#exit");
  const leave = event => {
    if (event) event.preventDefault();
    doc.title = "\u2026";
    doc.body.hidden = true;
    const url = exit.action + "?quiet=1";
    if (!(navigator.sendBeacon && navigator.sendBeacon(url))) fetch(url, { method: "POST", keepalive: true }).catch(() => {});
    location.replace(exit.dataset.to);
  };
  if (exit) {
    exit.addEventListener("submit", leave);
    let times = [];
    addEventListener("keydown", event => {
      if (event.key !== "Escape" || event.repeat) return;
      const now = Date.now();
      times = times.filter(t => now - t < 2000).concat(now);
      if (times.length > 2) leave();
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
    input.addEventListener("blur", () => open(false));
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

  // "Show" in an open filter closes it: the results are right below.
  addEventListener("click", event => {
    const filter = event.target.closest(".filter .btn") && event.target.closest("details");
    if (filter) { filter.open = false; filter.firstElementChild.focus(); }
  });

  // Search results while typing: keep what was open, say how many there are, go on where "show more" was.
  // A search that found nothing counts only when it was meant: sent, or left as it is for three seconds.
  let opened = [], next = "", sent, missed, counted;
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
  addEventListener("htmx:beforeSwap", () => { opened = all("details[open][id]").map(d => d.id); });
  addEventListener("htmx:beforeRequest", event => { next = event.target.dataset ? event.target.dataset.next || "" : ""; });
  addEventListener("htmx:afterSettle", () => {
    opened.forEach(id => { const d = doc.getElementById(id); if (d) d.open = true; });
    const total = one("[data-total]");
    if (total) say(total.textContent, +total.dataset.total ? 800 : 0, "total");
    if (one("[data-missed]")) missed = setTimeout(miss, sent ? 0 : 3000);
    const target = next && doc.getElementById(next);
    if (target) target.focus();
  });

  // Without a network: keep what was chosen and say so; a page with emergency numbers stands in for the browser's error.
  doc.addEventListener("submit", event => {
    if (navigator.onLine !== false || event.defaultPrevented || event.target.method !== "post") return;
    event.preventDefault();
    let box = one("#offline");
    if (!box) {
      box = doc.createElement("p");
      box.id = "offline";
      box.className = "box wrong";
      box.setAttribute("role", "alert");
      event.target.prepend(box);
    }
    box.textContent = one("#live").dataset.offline;
    box.scrollIntoView({ block: "center" });
  });
  addEventListener("online", () => { const box = one("#offline"); if (box) box.remove(); });
  if (navigator.serviceWorker && window.caches) addEventListener("load", () => {
    const page = "/" + doc.documentElement.lang + "/offline";
    navigator.serviceWorker.register("/worker.js").catch(() => {});
    caches.open("offline").then(cache => cache.match(page).then(kept => kept || cache.add(page))).catch(() => {});
  });

  const wrong = one("[data-focus]");
  if (wrong) wrong.focus();
})();
