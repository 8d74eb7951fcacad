// Reads the page aloud with a voice of the device. Fetched when somebody asks for it, never before, and only by
// the button that app.js makes. Sentence by sentence: pausing means to stop and to begin the same sentence again,
// because the pause of many phones forgets the rest.
(() => {
  "use strict";
  const doc = document, speech = speechSynthesis, button = doc.getElementById("read"), main = doc.getElementById("main");
  const words = button.dataset.words.split("|");
  const BLOCKS = "p,li,h1,h2,h3,h4,dt,dd,label,legend,summary,button,address,td,th,figcaption,a.btn,a.chip,a.tile,a.pick,div,section,article,main";
  const tongue = lang => lang.toLowerCase().split(/[-_]/)[0];
  // Only what the device speaks by itself: other voices send the text to a company.
  const voice = lang => {
    const own = speech.getVoices().filter(v => v.localService && tongue(v.lang) === tongue(lang));
    return own.find(v => v.default) || own[0];
  };

  // What is folded away is not read; older browsers take it for laid out only while it is open.
  const seen = element => element.checkVisibility ? element.checkVisibility() : element.getClientRects().length;

  // One sentence with the places of its words in the page, in reading order.
  const pieces = () => {
    const found = [], walker = doc.createTreeWalker(main, NodeFilter.SHOW_TEXT);
    let block, lang, parts = [];
    const close = () => {
      const text = parts.map(node => node.data).join("");
      const cut = window.Intl && Intl.Segmenter
        ? Array.from(new Intl.Segmenter(lang, { granularity: "sentence" }).segment(text), s => s.segment)
        : text.match(/[^.!?\u061f\u2026]+[.!?\u061f\u2026]*\s*/g) || [];
      let at = 0;
      cut.forEach(sentence => {
        if (/[^\s\u00b7.,:;()]/.test(sentence)) found.push({ text: sentence.replace(/\s+/g, " ").trim(), lang, parts, from: at, to: at + sentence.length });
        at += sentence.length;
      });
      parts = [];
    };
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const parent = node.parentElement;
      if (!node.data.trim() && !parts.length) continue;
      if (parent.closest("[aria-hidden=true],script,style,textarea,option,.langs,#read") || !seen(parent)) continue;
      const its = parent.closest(BLOCKS), tag = parent.closest("[lang]").lang;
      // A wrong voice makes a riddle of a foreign passage: better none.
      if (!voice(tag)) continue;
      if (its !== block || tag !== lang) { close(); block = its; lang = tag; }
      parts.push(node);
    }
    close();
    return found;
  };

  const mark = piece => {
    if (!(window.Highlight && CSS.highlights)) return;
    CSS.highlights.delete("read");
    if (!piece) return;
    const range = new Range();
    let at = 0;
    piece.parts.forEach(node => {
      const end = at + node.data.length;
      if (piece.from >= at && piece.from <= end) range.setStart(node, piece.from - at);
      if (piece.to >= at && piece.to <= end) range.setEnd(node, piece.to - at);
      at = end;
    });
    CSS.highlights.set("read", new Highlight(range));
  };
  if (window.CSSStyleSheet && doc.adoptedStyleSheets && window.Highlight) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("::highlight(read){background:var(--wait-soft);color:var(--ink)}");
    doc.adoptedStyleSheets = [...doc.adoptedStyleSheets, sheet];
  }

  let list = [], at = 0, turn = 0, reading = false;
  // A new turn makes what an older one still has to say void.
  const stop = label => {
    turn++;
    speech.cancel();
    mark();
    button.lastChild.textContent = words[label];
  };
  const end = () => { reading = false; at = 0; stop(0); };
  const next = mine => {
    const piece = list[at];
    if (!piece || doc.body.hidden) return end();
    const said = new SpeechSynthesisUtterance(piece.text);
    said.voice = voice(piece.lang);
    said.lang = said.voice.lang;
    said.onend = said.onerror = () => { if (mine === turn) { at++; next(mine); } };
    mark(piece);
    speech.speak(said);
  };
  const toggle = () => {
    reading = !reading;
    if (!reading) return stop(2);
    if (!at || !list[at].parts[0].isConnected) { list = pieces(); at = 0; }
    stop(1);
    next(turn);
  };
  button.onclick = toggle;
  addEventListener("pagehide", end);
  addEventListener("htmx:beforeSwap", end);
  toggle();
})();
