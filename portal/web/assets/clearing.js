// The questions without network. The answers live in this script alone: they are written nowhere and end with the page.
(() => {
  "use strict";

  // The same as portal/clearing/flow.py and routing.py over the data of packing.py; a test compares the outcomes.
  const engine = data => {
    const holds = (number, bits) => {
      const [kind, first, mask] = data.conditions[number];
      if (kind < 2) return !(bits[first] & mask) === (kind === 1);
      const parts = data.conditions[number].slice(1);
      return kind === 2 ? parts.every(part => holds(part, bits)) : parts.some(part => holds(part, bits));
    };
    const reads = (option, audience) => !option.audiences || option.audiences.includes(audience);
    // `given`: the position of a question → bits of its chosen options. Answers that no longer apply are left out.
    const walk = given => {
      const bits = {}, steps = [];
      let audience = data.audiences[0], next = -1;
      data.questions.forEach((question, position) => {
        if (!holds(question.test, bits)) return;
        let own = 0, real = 0;
        question.options.forEach((option, index) => {
          if (!reads(option, audience)) return;
          own |= given[position] & (1 << index);
          if (!option.alone) real |= given[position] & (1 << index);
        });
        own = real || own;
        if (own) {
          bits[position] = own;
          steps.push(position);
          if (!position) audience = (question.options.find((option, index) => own === 1 << index) || {}).audience || audience;
        } else if (next < 0) next = position;
      });
      return { bits, steps, next, audience };
    };
    const variant = (question, bits) => (question.variants || []).find(other => holds(other.test, bits)) || question;
    const options = (question, audience) => question.options
      .map((option, index) => ({ option, bit: 1 << index })).filter(entry => reads(entry.option, audience));

    const route = ({ bits, audience }) => {
      const position = data.questions.findIndex(question => question.place), place = data.questions[position];
      const moved = !!(bits[position] & (1 << place.options.findIndex(option => option.id === "outside")));
      const counts = variant(place, bits).company ? "company" : "person";
      const moves = thing => thing.moves === counts;
      let primary, elsewhere, others = [];
      const groups = new Set();
      data.rules.forEach(rule => {
        if (primary && (rule.alone || (primary.safety && !rule.safety))) return;
        if (groups.has(rule.group) || !holds(rule.test, bits)) return;
        if (rule.kind === data.elsewhere) {
          if (!primary && !elsewhere) elsewhere = rule;
          return;
        }
        groups.add(rule.group);
        if (primary) others.push(rule);
        else primary = rule;
      });
      if (!primary) return { first: { kind: "clearing" }, also: [], safety: false };
      if (elsewhere && !moves(primary)) elsewhere = undefined;
      if (moved) others = others.filter(rule => !moves(rule));
      const own = (primary.also || []).filter(([, test]) => holds(test, bits)).map(([kind]) => ({ kind }));
      const worries = others.map(rule => ({ kind: rule.kind, rule }));
      const wanted = primary.safety ? own.concat(worries) : worries.concat(own);
      const companion = data.companions[audience];
      if (companion && !primary.safety) wanted.splice(Math.min(wanted.length, data.most - 1), 0, { kind: companion });
      const seen = new Set([elsewhere ? data.elsewhere : primary.kind]);
      const also = wanted.filter(({ kind, rule }) => {
        if (seen.has(kind) || (moved && moves(rule || data.kinds[kind]))) return false;
        seen.add(kind);
        return true;
      });
      return { first: { kind: primary.kind, rule: primary, elsewhere }, also: also.slice(0, data.most), safety: !!primary.safety };
    };
    return { walk, route, variant, options };
  };
  window.clearing = engine;

  const at = id => document.getElementById(id);
  const form = at("ask"), found = at("found"), before = at("before");
  // A text that is not translated yet comes in German and between two marks, see web/languages.py.
  const write = (element, words) => {
    const german = words.charCodeAt(0) === 2;
    element.textContent = words.replace(/[\x02\x03]/g, "");
    element.lang = german ? "de" : document.documentElement.lang;
    element.dir = german ? "ltr" : "";
    return element;
  };
  const make = (tag, words, className) => {
    const made = document.createElement(tag);
    if (words) write(made, words);
    if (className) made.className = className;
    return made;
  };
  const plain = (words, audience) => !words || typeof words === "string" ? words || "" : words[audience] || words[Object.keys(words)[0]];

  const begin = data => {
    const { walk, route, variant, options } = engine(data);
    const given = {};
    let shown = -1, asked = [];

    const ask = (path, position) => {
      const question = data.questions[position], many = question.many || 1;
      shown = position;
      form.hidden = false;
      found.hidden = true;
      found.textContent = "";
      write(at("text"), plain(variant(question, path.bits).text || question.text, path.audience));
      write(at("hint"), plain(question.hint, path.audience));
      at("choose").textContent = "";
      at("options").textContent = "";
      options(question, path.audience).forEach(({ option, bit }) => {
        const label = make("label", "", "pick"), input = make("input"), words = make("span", plain(option.text, path.audience));
        input.type = many > 1 ? "checkbox" : "radio";
        input.name = "answer";
        input.value = bit;
        input.checked = !!(given[position] & bit);
        const hint = plain(option.hint, path.audience);
        if (hint) words.append(" ", make("small", hint));
        label.append(input, words);
        at("options").append(label);
        input.addEventListener("change", () => {
          if (many < 2 || !input.checked) return;
          const boxes = [...at("options").querySelectorAll("input")];
          boxes.forEach(box => {
            const other = question.options[Math.log2(+box.value)];
            if (box !== input && (option.alone || other.alone)) box.checked = false;
          });
          if (boxes.filter(box => box.checked).length > many) {
            input.checked = false;
            write(at("choose"), data.words.most.replace("%(max)s", many));
          }
        });
      });
    };

    const card = ({ kind, rule, elsewhere }, audience) => {
      const box = make("article", "", "card"), own = (elsewhere || rule || {}).reason || "";
      const reason = typeof own === "string" ? own : own[audience];
      box.append(make("h3", data.names[kind]));
      if (rule && rule.urgency) box.append(make("p", data.words.urgent[rule.urgency], "warm"));
      box.append(make("p", reason || plain(data.kinds[kind].reason, audience)));
      if (elsewhere) {
        box.append(make("p", data.find[kind]));
        return box;
      }
      const desk = data.desks[rule && rule.prefer ? kind + " " + rule.prefer : kind];
      const body = make("div", "", "tight");
      body.innerHTML = data.cards[desk];
      box.append(body);
      return box;
    };

    const answer = path => {
      const { first, also, safety } = route(path);
      const formal = path.audience === data.audiences[0] ? 0 : 1;
      shown = -1;
      form.hidden = true;
      found.hidden = false;
      found.textContent = "";
      const head = make("h2", data.words[safety ? "safe" : "right"][formal]);
      head.tabIndex = -1;
      found.append(head, make("p", data.words.first[formal], "muted"), card(first, path.audience));
      if (also.length) found.append(make("h2", data.words.also[formal]));
      also.forEach(other => found.append(card(other, path.audience)));
      head.focus();
    };

    // Where the answers lead; `position` when somebody goes back to a question that is answered.
    const show = position => {
      const path = walk(given);
      if (position === undefined) position = path.next;
      before.parentNode.hidden = !asked.length;
      if (position < 0) answer(path);
      else ask(path, position);
    };

    form.addEventListener("submit", event => {
      event.preventDefault();
      const bits = [...at("options").querySelectorAll(":checked")].reduce((sum, box) => sum | +box.value, 0);
      if (!bits) {
        at("choose").textContent = at("choose").dataset.text;
        return;
      }
      given[shown] = bits;
      asked.push(shown);
      show();
      if (shown >= 0) at("text").focus();
    });
    before.addEventListener("click", () => {
      const { steps } = walk(given);
      let last = asked.pop();
      while (asked.length && !steps.includes(last)) last = asked.pop();
      show(last);
      before.parentNode.hidden = !asked.length;
      at("text").focus();
    });
    show();
  };
  fetch(form.dataset.from).then(answer => answer.ok ? answer.json() : Promise.reject()).then(begin).catch(() => {
    // Never fetched, and no network: the numbers that help are on this page already.
    form.hidden = true;
  });
})();
