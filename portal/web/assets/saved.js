// The saved contacts of this device, as app.js keeps them. They are shown, removed and wiped here; nothing is sent.
(() => {
  "use strict";
  const at = id => document.getElementById(id);
  const list = at("saved"), wipe = at("wipe"), none = at("none");
  const read = () => { try { return JSON.parse(localStorage.saved) || []; } catch (e) { return []; } };
  const write = cards => {
    try {
      if (cards.length) localStorage.saved = JSON.stringify(cards);
      else localStorage.removeItem("saved");
    } catch (e) { /* A browser that keeps nothing has nothing to forget. */ }
  };
  const show = () => {
    const cards = read();
    list.textContent = "";
    cards.forEach(card => {
      const item = document.createElement("li"), body = document.createElement("div"), button = document.createElement("button");
      item.className = "card";
      body.className = "stack";
      body.lang = card.lang;
      body.dir = card.dir;
      // Our own markup, as the server made it; what a script in it could do, the page's policy forbids.
      body.innerHTML = card.html;
      body.querySelectorAll("[hidden]").forEach(hidden => hidden.remove());
      const name = body.querySelector("h2");
      button.className = "btn quiet noprint";
      button.type = "button";
      button.textContent = list.dataset.remove;
      if (name) button.setAttribute("aria-label", list.dataset.remove + ": " + name.textContent);
      button.addEventListener("click", () => {
        write(read().filter(other => other.url !== card.url));
        show();
        document.querySelector("h1").focus();
      });
      item.append(body, button);
      list.append(item);
    });
    wipe.hidden = !cards.length;
    none.hidden = !!cards.length;
  };
  wipe.addEventListener("click", () => {
    write([]);
    show();
    document.querySelector("h1").focus();
  });
  show();
  addEventListener("storage", show);
})();
