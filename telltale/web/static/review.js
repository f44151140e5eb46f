// Labelling at the speed of keys: the next items are fetched ahead, labels are sent in the background.
// Without this module the page works by its forms alone.
const place = document.getElementById("items");
const queue = place.dataset.queue;
const AHEAD = 2;
// A key that bounces must not label what nobody saw.
const LEAST_SEEN_MS = 150;
const RETRY_MS = 2000;
const RENEW_MS = 60000;
const store = `review:${queue}`;
const ahead = [];
const seenTokens = new Set([place.querySelector("article")?.dataset.token]);
let shownAt = performance.now();
let isFetching = false;
let isSending = false;
let isEmpty = false;

const article = () => place.querySelector("article");
const told = document.getElementById("told");
const outbox = () => JSON.parse(sessionStorage.getItem(store) ?? "[]");
const keep = (waiting) => sessionStorage.setItem(store, JSON.stringify(waiting));
const draftOf = (token) => `draft:${token}`;

function say(text, isError = false) {
  told.textContent = text;
  told.className = isError ? "error" : "dim";
}

async function fetchAhead() {
  if (isFetching || isEmpty) return;
  isFetching = true;
  try {
    while (ahead.length < AHEAD) {
      // What is shown, what is ahead, and what is still on its way to the server.
      const have = [article()?.dataset.token, ...ahead.map((one) => one.dataset.token), ...outbox().map((one) => one.token)];
      const response = await fetch(`${queue}/next?fragment=1&have=${have.filter(Boolean).slice(-8).join(",")}`);
      if (response.status !== 200) {
        isEmpty = response.status === 204 && outbox().length === 0;
        break;
      }
      const made = document.createElement("template");
      made.innerHTML = await response.text();
      const next = made.content.querySelector("article");
      if (!next || seenTokens.has(next.dataset.token)) break;
      seenTokens.add(next.dataset.token);
      ahead.push(next);
    }
  } catch {
    // Offline: asked again with the next label.
  } finally {
    isFetching = false;
  }
  if (!article() && ahead.length) show();
}

function show() {
  const next = ahead.shift();
  if (next) {
    place.replaceChildren(next);
    restore(next);
    mark(0);
    window.scrollTo(0, 0);
  } else if (isEmpty) {
    place.replaceChildren(document.getElementById("nothing").content.cloneNode(true));
  } else {
    place.replaceChildren();
    say("Loading…");
  }
  // Two frames: from now on it is painted.
  shownAt = Infinity;
  requestAnimationFrame(() => requestAnimationFrame(() => { shownAt = performance.now(); }));
  fetchAhead().then(() => { if (!article() && isEmpty) show(); });
}

async function send() {
  if (isSending) return;
  isSending = true;
  try {
    for (let waiting = outbox(); waiting.length; waiting = outbox()) {
      const [first, ...rest] = waiting;
      const body = new URLSearchParams(first.fields);
      const response = await fetch(first.to, { method: "POST", body, headers: { Accept: "application/json" } });
      if (response.status >= 500 || response.status === 429) throw new Error("later");
      keep(rest);
      if (response.ok) {
        sessionStorage.removeItem(draftOf(first.token));
      } else {
        const problem = await response.json().catch(() => ({}));
        say(`Item ${first.item} was not saved: ${problem.detail ?? response.status}`, true);
      }
    }
    if (told.textContent.includes("wait")) say("");
    fetchAhead();
  } catch {
    say(`${outbox().length} labels wait for the server; they are kept here.`, true);
    setTimeout(send, RETRY_MS);
  } finally {
    isSending = false;
  }
}

function submit(form) {
  const own = article();
  form.elements.namedItem("seen_ms").value = Math.round(performance.now() - shownAt);
  const fields = [...new FormData(form)].filter(([, value]) => typeof value === "string");
  keep([...outbox(), { to: form.action, fields, token: own.dataset.token, item: own.dataset.item }]);
  show();
  send();
}

function isSeen() {
  return article() !== null && performance.now() - shownAt >= LEAST_SEEN_MS;
}

const questions = () => [...(article()?.querySelectorAll(".question") ?? [])];

function mark(number) {
  questions().forEach((one, place) => one.classList.toggle("now", place === number));
}

function current() {
  return Math.max(0, questions().findIndex((one) => one.classList.contains("now")));
}

function choose(number) {
  const all = questions();
  const option = all[current()]?.querySelectorAll("input")[number - 1];
  if (!option) return;
  option.checked = true;
  remember();
  if (all.length === 1) return trySubmit();
  mark(Math.min(current() + 1, all.length - 1));
}

function trySubmit() {
  const form = article()?.querySelector(".answers");
  if (form && form.reportValidity()) submit(form);
}

function remember() {
  const form = article()?.querySelector(".answers");
  if (!form) return;
  const words = ["comment", "correction"].map((name) => [name, form.elements.namedItem(name).value]);
  if (words.some(([, value]) => value)) sessionStorage.setItem(draftOf(article().dataset.token), JSON.stringify(words));
}

function restore(own) {
  const kept = sessionStorage.getItem(draftOf(own.dataset.token));
  if (!kept) return;
  const form = own.querySelector(".answers");
  for (const [name, value] of JSON.parse(kept)) {
    form.elements.namedItem(name).value = value;
    if (value) own.querySelector(`.${name}`).open = true;
  }
}

function open(selector) {
  const part = article()?.querySelector(selector);
  if (!part) return;
  part.open = true;
  part.querySelector("textarea").focus();
}

const toggle = (id) => { const one = document.getElementById(id); one.open = !one.open; };
const keys = {
  Enter: trySubmit,
  ArrowDown: () => mark(Math.min(current() + 1, questions().length - 1)),
  ArrowUp: () => mark(Math.max(current() - 1, 0)),
  c: () => open(".comment"),
  e: () => open(".correction"),
  s: () => article()?.querySelector(".skipping select").focus(),
  u: () => document.getElementById("mine").click(),
  g: () => toggle("guidelines"),
  "?": () => toggle("keys"),
};
for (let number = 1; number <= 9; number += 1) keys[number] = () => choose(number);

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.key === "Escape") return target.blur();
  if (event.isComposing || event.repeat) return;
  if (target.matches("textarea")) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); trySubmit(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || target.matches("select, summary, a, button, input:not([type=radio])")) return;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  // Reading keys may come at once; those that label only what was on the screen.
  if ((event.key === "Enter" || /^[1-9]$/.test(event.key)) && !isSeen()) return;
  act();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches(".answers")) {
    event.preventDefault();
    if (isSeen()) submit(form);
  } else if (form.matches(".skipping")) {
    event.preventDefault();
    const fields = [...new FormData(form)];
    const own = article();
    keep([...outbox(), { to: form.action, fields, token: own.dataset.token, item: own.dataset.item }]);
    show();
    send();
  }
});

document.addEventListener("input", remember);
window.addEventListener("beforeunload", (event) => { if (outbox().length) event.preventDefault(); });
window.addEventListener("online", send);

setInterval(() => {
  for (const own of [article(), ...ahead]) {
    if (!own) continue;
    const body = new URLSearchParams({ token: own.dataset.token });
    fetch(`${queue}/renew`, { method: "POST", body, headers: { Accept: "application/json" } }).then((response) => {
      if (response.status === 409 && own === article()) say("Your time for this item was over; you may still save it while nobody else has.", true);
    }).catch(() => {});
  }
}, RENEW_MS);

if (article()) { restore(article()); mark(0); }
fetchAhead();
send();
