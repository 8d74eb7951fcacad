// What makes the admin pages quicker. Everything works without it.
"use strict";

// Errors and messages get the focus, so that they are read at once.
document.querySelector("[data-focus]")?.focus();

// Passkeys: a form with data-passkey asks the device (get or create) and sends the answer in its field `credential`.
{
  const toBytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const toText = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const ask = async (form) => {
    const answer = await fetch(form.dataset.question, {
      method: "POST",
      headers: { "X-CSRF-Token": form.elements.csrf_token.value },
    });
    if (answer.redirected || !answer.ok) {
      location.reload(); // The page was open for too long; it says itself what comes next.
      return;
    }
    const publicKey = await answer.json();
    publicKey.challenge = toBytes(publicKey.challenge);
    if (publicKey.user) publicKey.user.id = toBytes(publicKey.user.id);
    for (const known of [...(publicKey.allowCredentials ?? []), ...(publicKey.excludeCredentials ?? [])])
      known.id = toBytes(known.id);
    const credential = await navigator.credentials[form.dataset.passkey]({ publicKey });
    const response = { transports: credential.response.getTransports?.() };
    for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"])
      if (credential.response[part]) response[part] = toText(credential.response[part]);
    form.elements.credential.value = JSON.stringify({
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
      response,
    });
    form.submit();
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!window.PublicKeyCredential) {
      document.querySelector("[data-no-passkeys]")?.removeAttribute("hidden");
      continue;
    }
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.querySelector("[data-failed]").hidden = true;
      ask(form).catch(() => {
        form.querySelector("[data-failed]").hidden = false;
      });
    });
  }
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

// The QR code of a slip brings its code behind the #; it goes into the field and out of the address.
{
  const field = document.querySelector("[data-from-address]");
  const take = () => {
    if (location.hash.length < 2 || location.hash === "#main") return;
    try {
      field.value = decodeURIComponent(location.hash.slice(1)).replaceAll("-", " ");
    } catch { /* Not one of ours. */ }
    history.replaceState(null, "", location.pathname);
  };
  if (field) {
    take();
    addEventListener("hashchange", take);
  }
}

// Edit pages: what is typed is kept every 20 seconds, shown beside the form after a pause, and not left by accident.
(() => {
  const form = document.querySelector("[data-edit]");
  if (!form) return;
  const token = JSON.parse(document.body.dataset.hxHeaders)["X-CSRF-Token"];
  const send = (url, more) => fetch(url, { method: "POST", headers: { "X-CSRF-Token": token }, body: new URLSearchParams(new FormData(form)), ...more });
  let dirty = "dirty" in form.dataset, unkept = false, leaving = false;

  async function keep(more) {
    if (!unkept || leaving) return;
    unkept = false;
    try {
      const answer = await send(form.dataset.keep, more);
      if (answer.ok && !answer.redirected) {
        const time = new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
        document.getElementById("kept").textContent = form.dataset.kept.replace("{time}", time);
      } else unkept = true;
    } catch { unkept = true; }
  }
  setInterval(keep, 20000);
  document.addEventListener("visibilitychange", () => { if (document.hidden) keep({ keepalive: true }); });

  const frame = document.querySelector("#preview iframe"), note = document.getElementById("preview-note");
  let pause, running;
  async function look() {
    running?.abort();
    running = new AbortController();
    try {
      const answer = await send(form.dataset.preview, { signal: running.signal });
      if (answer.redirected) return;
      const text = await answer.text();
      note.textContent = answer.ok ? "" : text;
      if (!answer.ok || frame.srcdoc === text) return;
      const y = frame.contentWindow?.scrollY || 0;
      frame.addEventListener("load", () => frame.contentWindow.scrollTo(0, y), { once: true });
      frame.srcdoc = text;
    } catch { /* A newer look is on its way, or the network is gone; the form is not touched. */ }
  }
  function changed() {
    dirty = unkept = true;
    if (!frame) return;
    clearTimeout(pause);
    pause = setTimeout(look, 900);
  }
  form.addEventListener("input", (event) => { if (!event.target.matches("[data-filter]")) changed(); });
  form.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.closest(".meter")) return; // It only says how a text reads; nobody typed anything.
    changed();
    event.target.querySelector("[data-new] :is(input:not([type=hidden]), select)")?.focus();
  });
  form.addEventListener("submit", () => { leaving = true; });
  addEventListener("pageshow", () => { leaving = false; });
  addEventListener("beforeunload", (event) => { if (dirty && !leaving) { keep({ keepalive: true }); event.preventDefault(); } });
  if (frame && !frame.srcdoc) look();

  // Long lists of ticks get a field to narrow them; what is ticked stays in sight.
  for (const box of form.querySelectorAll(".onlyjs")) box.hidden = false;
  form.addEventListener("input", (event) => {
    if (!event.target.matches("[data-filter]")) return;
    const words = event.target.value.toLowerCase().split(/\s+/);
    for (const line of event.target.closest("fieldset").querySelectorAll(".check")) {
      const text = (line.textContent + " " + (line.dataset.words || "")).toLowerCase();
      line.hidden = !line.querySelector(":checked") && !words.every((word) => text.includes(word));
    }
  });
  form.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.matches("[data-filter]")) event.preventDefault(); });
})();

// Lists: tick all; say how many there are after htmx has refreshed the list.
{
  const tickAll = (root) => {
    for (const all of root.querySelectorAll("[data-tick-all]")) {
      const boxes = () => [...all.form.querySelectorAll("[name=chosen]")];
      all.hidden = false;
      all.addEventListener("change", () => boxes().forEach((box) => (box.checked = all.checked)));
      all.form.addEventListener("change", () => {
        const ticked = boxes().filter((box) => box.checked).length;
        all.checked = ticked > 0 && ticked === boxes().length;
        all.indeterminate = ticked > 0 && !all.checked;
      });
    }
  };
  tickAll(document);
  document.body.addEventListener("htmx:afterSwap", (event) => {
    tickAll(event.detail.target);
    const said = event.detail.target.querySelector("[data-announce]");
    if (said) document.getElementById("live").textContent = said.textContent;
  });
}

// Keys: shown on "?", never while somebody types, and they can be switched off (WCAG 2.2, 2.1.4).
{
  const dialog = document.getElementById("keys");
  const off = () => localStorage.getItem("keys") === "off";
  const typing = (target) =>
    target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
  const go = (letter) => {
    const link = dialog.querySelector(`[data-go="${letter}"]`);
    if (link) location.href = link.href;
  };
  if (dialog) {
    const button = document.querySelector("[data-keys]");
    button.hidden = false;
    button.addEventListener("click", () => dialog.showModal());
    const choice = dialog.querySelector("[data-keys-on]");
    choice.checked = !off();
    choice.addEventListener("change", () => localStorage.setItem("keys", choice.checked ? "on" : "off"));
    let began = 0; // When "g" was pressed.
    document.addEventListener("keydown", (event) => {
      if (off() || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (dialog.open) return;
      if (event.key === "?") {
        event.preventDefault();
        dialog.showModal();
      } else if (event.key === "/") {
        const search = document.querySelector("[role=search] input[type=search]");
        if (search) {
          event.preventDefault();
          search.focus();
          search.select();
        }
      } else if (event.key === "g") {
        began = event.timeStamp;
        return;
      } else if (began && event.timeStamp - began < 1500) {
        go(event.key);
      }
      began = 0;
    });
  }
}

// Translations: Ctrl+Enter saves and goes on to the next entry; leaving with unsaved texts asks first.
{
  const form = document.querySelector("form[data-translating]");
  if (form) {
    let changed = form.querySelector("[aria-invalid]") !== null;
    document.querySelector("[data-ctrl-enter-hint]").hidden = false;
    form.addEventListener("input", () => (changed = true));
    form.addEventListener("submit", () => (changed = false));
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      form.requestSubmit(form.querySelector("[data-ctrl-enter]"));
    });
    addEventListener("beforeunload", (event) => changed && event.preventDefault());
  }
}

// Case talks: the clock runs, and a page on which nothing is typed follows the talk to its next step.
{
  const live = document.getElementById("talk-now");
  const clock = () => live?.querySelector("[data-seconds-left]");
  if (clock()) {
    let shown, end;
    const tick = () => {
      const tag = clock();
      if (!tag) return;
      if (tag !== shown) {
        shown = tag;
        end = performance.now() + Number(tag.dataset.secondsLeft) * 1000;
      }
      const left = Math.round((end - performance.now()) / 1000), seconds = Math.abs(left);
      tag.textContent = `${left < 0 ? "\u2212" : ""}${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
      tag.closest(".tag").classList.toggle("bad-tag", left < 0);
    };
    tick();
    setInterval(tick, 1000);
    live.addEventListener("htmx:afterSwap", () => {
      tick();
      const typed = [...document.querySelectorAll("main :is(textarea, input, select)")].some((field) =>
        field.type === "checkbox" ? field.checked !== field.defaultChecked
          : field.tagName === "SELECT" ? [...field.options].some((one) => one.selected !== one.defaultSelected && field.options.length > 1 && one.value)
          : field.type !== "hidden" && field.value !== field.defaultValue);
      if (live.querySelector("[data-moved]") && !typed) location.assign(location.pathname);
    });
  }
}
