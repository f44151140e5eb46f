// Labelling at the speed of keys: the next items are fetched ahead, labels are sent in the background.
// Without this module the page works by its forms alone.
const place = document.getElementById("items");
const queue = place.dataset.queue;
const AHEAD = 2;
// A key that bounces must not label what nobody saw.
const LEAST_SEEN_MS = 150;
const RETRY_MS = 2000;
const RENEW_MS = 60000;
// Who has left holds nothing: others are waiting for it.
const IDLE_MS = 15 * 60000;
const store = `review:${queue}`;
// What somebody else typed in this tab is not this person's.
if (sessionStorage.getItem("review:person") !== place.dataset.person) sessionStorage.clear();
sessionStorage.setItem("review:person", place.dataset.person);
const ahead = [];
const seenTokens = new Set([place.querySelector("article")?.dataset.token]);
let shownAt = performance.now();
let isFetching = false;
let isSending = false;
let isEmpty = false;
let activeAt = performance.now();

const article = () => place.querySelector("article");
const told = document.getElementById("told");
const outbox = () => JSON.parse(sessionStorage.getItem(store) ?? "[]");
const keep = (waiting) => sessionStorage.setItem(store, JSON.stringify(waiting));
const draftOf = (item) => `draft:${item}`;
const LOADING = "Loading…";

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
  if (article()) return;
  if (ahead.length || isEmpty) show();
  // All that one may hold is on its way to the server, or that is away: nothing else would ask again.
  else setTimeout(fetchAhead, 300);
}

function show() {
  const next = ahead.shift();
  if (told.textContent === LOADING) say("");
  if (next) {
    place.replaceChildren(next);
    restore(next);
    mark(0);
    // Where whoever hears the page goes on, and whoever tabs through it.
    next.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  } else if (isEmpty) {
    place.replaceChildren(document.getElementById("nothing").content.cloneNode(true));
    return;
  } else {
    place.replaceChildren();
    say(LOADING);
  }
  // Two frames: from now on it is painted.
  shownAt = Infinity;
  requestAnimationFrame(() => requestAnimationFrame(() => { shownAt = performance.now(); }));
  fetchAhead();
}

async function send() {
  if (isSending) return;
  isSending = true;
  try {
    for (let waiting = outbox(); waiting.length; waiting = outbox()) {
      const [first, ...rest] = waiting;
      const body = new URLSearchParams(first.fields);
      const response = await fetch(first.to, { method: "POST", body, headers: { Accept: "application/json" } });
      if (response.status >= 500 || response.status === 429) throw new Error("the server");
      if (response.status === 401 || response.status === 403) throw new Error("you to sign in, in another tab");
      keep(rest);
      if (response.ok) {
        sessionStorage.removeItem(draftOf(first.item));
      } else {
        const problem = await response.json().catch(() => ({}));
        unsaved(first, problem.detail ?? response.status);
      }
    }
    if (told.textContent.includes("wait")) say("");
    fetchAhead();
  } catch (error) {
    const many = outbox().length;
    const whom = error instanceof TypeError ? "the server" : error.message;
    say(`${many} ${many === 1 ? "label waits" : "labels wait"} for ${whom}; nothing is lost while this tab is open.`, true);
    setTimeout(send, RETRY_MS);
  } finally {
    isSending = false;
  }
}

// What could not be saved stays on the page, in its own words, until somebody has read it.
function unsaved(one, why) {
  const part = document.createElement("details");
  const head = document.createElement("summary");
  const words = document.createElement("pre");
  part.className = "card error";
  part.open = true;
  head.textContent = `Item ${one.item} was not saved: ${why}`;
  words.textContent = one.fields.filter(([name, value]) => value && !["token", "key", "seen_ms", "replaces"].includes(name))
    .map(([name, value]) => `${name.replace("answer.", "")}: ${value}`).join("\n");
  part.append(head, words);
  document.getElementById("unsaved").append(part);
  say(head.textContent, true);
}

function submit(form) {
  const own = article();
  form.elements.namedItem("seen_ms").value = Math.round(performance.now() - shownAt);
  const fields = [...new FormData(form)].filter(([, value]) => typeof value === "string");
  keep([...outbox(), { to: form.action, fields, token: own.dataset.token, item: own.dataset.item }]);
  sessionStorage.removeItem(draftOf(own.dataset.item));
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
  activeAt = performance.now();
  const own = article();
  if (!own) return;
  const words = [...own.querySelectorAll(".answers textarea")].filter((one) => one.value !== one.defaultValue).map((one) => [one.name, one.value]);
  const chosen = [...own.querySelectorAll(".question input:checked")].map((one) => [one.name, one.value]);
  if (words.length || chosen.length) sessionStorage.setItem(draftOf(own.dataset.item), JSON.stringify([...words, ...chosen]));
  else sessionStorage.removeItem(draftOf(own.dataset.item));
}

function restore(own) {
  const kept = sessionStorage.getItem(draftOf(own.dataset.item));
  if (!kept) return;
  const form = own.querySelector(".answers");
  for (const [name, value] of JSON.parse(kept)) {
    const field = form.elements.namedItem(name);
    if (!field) continue;
    field.value = value;
    const part = own.querySelector(`details.${CSS.escape(name)}`);
    if (part) part.open = true;
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
  d: () => article()?.querySelector(".disputing input[name=why]").focus(),
  u: () => document.getElementById("last").click(),
  g: () => toggle("guidelines"),
  "?": () => toggle("keys"),
};
for (let number = 1; number <= 9; number += 1) keys[number] = () => choose(number);

// On a Korean or Russian layout the key of c gives another letter: then its place counts.
function nameOf(event) {
  if (event.key in keys) return event.key;
  return /^(Key[A-Z]|Digit[1-9])$/.test(event.code) && !/^[\x00-\x7f]$/.test(event.key) ? event.code.slice(-1).toLowerCase() : "";
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  activeAt = performance.now();
  // While a syllable is composed, its keys are the input method's.
  if (event.isComposing || event.repeat) return;
  if (event.key === "Escape") return target.blur();
  if (target.matches("textarea")) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); trySubmit(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || target.matches("select, summary, a, button, input:not([type=radio])")) return;
  const key = nameOf(event);
  const act = keys[key];
  if (!act) return;
  event.preventDefault();
  // Reading keys may come at once; those that label only what was on the screen.
  if ((key === "Enter" || /^[1-9]$/.test(key)) && !isSeen()) return;
  act();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches(".answers")) {
    event.preventDefault();
    if (isSeen()) submit(form);
  } else if (form.matches(".skipping, .disputing")) {
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

document.addEventListener("pointerdown", () => { activeAt = performance.now(); });

setInterval(() => {
  if (performance.now() - activeAt > IDLE_MS) return;
  for (const own of [article(), ...ahead]) {
    if (!own) continue;
    const body = new URLSearchParams({ token: own.dataset.token });
    fetch(`${queue}/renew`, { method: "POST", body, headers: { Accept: "application/json" } }).then((response) => {
      if (response.status !== 409) return;
      if (ahead.includes(own)) ahead.splice(ahead.indexOf(own), 1);
      else if (own === article()) say("Your time for this item was over; you may still save it while nobody else has.", true);
    }).catch(() => {});
  }
}, RENEW_MS);

if (article()) { restore(article()); mark(0); }
fetchAhead();
send();
