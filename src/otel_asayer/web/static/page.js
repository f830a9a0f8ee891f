// The page works without this: it adds the keys, keeps the place of the list, and filters at once.
"use strict";

const rows = [...document.querySelectorAll(".list tbody tr")];
const byId = Object.fromEntries(rows.map((row) => [row.id, row]));
const chosen = rows.findIndex((row) => row.hasAttribute("aria-current"));
const place = `scroll ${location.pathname}`;
let current = chosen;

const linkOf = (row) => row?.querySelector(".what a");

// The rows of the spans around a row, from inside out; a circle of parents ends where it began.
function around(row) {
  const outer = new Set();
  for (let next = byId[row.dataset.in]; next && !outer.has(next); next = byId[next.dataset.in]) outer.add(next);
  return [...outer];
}

const isFolded = (row) => row.querySelector(".fold").getAttribute("aria-expanded") === "false";

function setFolded(row, folded) {
  const button = row?.querySelector(".fold");
  if (!button || isFolded(row) === folded) return;
  button.setAttribute("aria-expanded", String(!folded));
  for (const other of rows) other.hidden = around(other).some(isFolded);
}

// The next row that no fold hides, forwards or backwards.
function beside(step) {
  let index = current + step;
  while (rows[index]?.hidden) index += step;
  return index;
}

function focusRow(index, { scroll = true } = {}) {
  if (index < 0 || index >= rows.length) return;
  for (const outer of around(rows[index])) setFolded(outer, false);
  current = index;
  linkOf(rows[index]).focus({ preventScroll: true });
  if (scroll) rows[index].scrollIntoView({ block: "nearest" });
}

function nextError() {
  const next = rows.findIndex((row, index) => index > current && row.classList.contains("error"));
  const beyond = document.querySelector(".list table")?.dataset.error;
  if (next >= 0) focusRow(next);
  else if (beyond) location.assign(beyond);
}

function openReplay() {
  const focused = document.activeElement?.closest?.(".list tr");
  (focused?.querySelector(".replay a") ?? document.querySelector(".detail .watch") ?? document.querySelector(".actions .primary"))?.click();
}

const inList = () => document.activeElement === document.body || document.activeElement?.closest?.(".list, #event") !== null;

const keys = {
  j: () => focusRow(beside(1)),
  k: () => focusRow(current < 0 ? 0 : beside(-1)),
  ArrowDown: () => inList() && rows.length > 0 && (focusRow(beside(1)), true),
  ArrowUp: () => inList() && current > 0 && (focusRow(beside(-1)), true),
  ArrowLeft: () => inList() && current >= 0 && (setFolded(rows[current], true), true),
  ArrowRight: () => inList() && current >= 0 && (setFolded(rows[current], false), true),
  e: nextError,
  o: openReplay,
  "/": () => document.querySelector("#q").focus(),
  Escape: () => document.querySelector(".detail .close")?.click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  const typing = event.target.closest("input, select, textarea");
  if (typing) {
    if (event.key === "Escape") typing.blur();
    return;
  }
  if (Object.hasOwn(keys, event.key) && keys[event.key]() !== false) event.preventDefault();
});

document.addEventListener("focusin", (event) => {
  const index = rows.indexOf(event.target.closest(".list tbody tr"));
  if (index >= 0) current = index;
});

// Which event is shown is in the address; where the page stood is kept beside it, so that nothing jumps.
for (const link of document.querySelectorAll(".list tbody .what a, .detail .close, .beside a")) {
  link.hash = "";
  link.addEventListener("click", () => {
    const row = link.closest("tr") ?? rows[chosen];
    const kept = { top: scrollY, row: row?.id, at: row?.getBoundingClientRect().top, isClosed: link.matches(".close") };
    sessionStorage.setItem(place, JSON.stringify(kept));
  });
}
const kept = JSON.parse(sessionStorage.getItem(place));
sessionStorage.removeItem(place);
if (kept) {
  scrollTo(0, kept.top);
  // The detail makes the list narrower, and what is above it higher.
  const row = byId[kept.row];
  if (row) scrollBy(0, row.getBoundingClientRect().top - kept.at);
  if (kept.isClosed) focusRow(rows.indexOf(row));
  rows[chosen]?.scrollIntoView({ block: "nearest" });
} else {
  rows[chosen]?.scrollIntoView({ block: "center" });
}
document.querySelector("#event")?.focus({ preventScroll: true });

// A filter keeps the focus on the page that it leads to: with the keyboard, one goes on from there.
const filters = [...document.querySelectorAll(".filters select, .filters [type=checkbox]")];
const filter = `filter ${location.pathname}`;
filters[sessionStorage.getItem(filter) ?? -1]?.focus();
sessionStorage.removeItem(filter);
filters.forEach((control, index) => control.addEventListener("change", () => {
  sessionStorage.setItem(filter, index);
  control.form.requestSubmit();
}));

// Where nothing above took the focus. The attribute `autofocus` acts at the first frame, too late to know, and complains.
if (document.activeElement === document.body) document.querySelector("[data-autofocus]")?.focus({ preventScroll: true });

for (const button of document.querySelectorAll(".fold")) {
  const row = button.closest("tr");
  button.hidden = false;
  button.addEventListener("click", () => setFolded(row, !isFolded(row)));
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  });
}

// Times are in UTC, as logs are, and on request in the reader's own zone.
const times = [...document.querySelectorAll("time.exact")].map((time) => ({ time, utc: time.textContent }));
const zone = document.querySelector(".zone");
const isOwnZone = () => localStorage.getItem("zone") === "own";
const digits = (number, width = 2) => String(Math.trunc(number)).padStart(width, "0");

function inOwnZone(iso) {
  const at = new Date(iso);
  const ahead = -at.getTimezoneOffset();
  const day = `${at.getFullYear()}-${digits(at.getMonth() + 1)}-${digits(at.getDate())}`;
  const clock = `${digits(at.getHours())}:${digits(at.getMinutes())}:${digits(at.getSeconds())}.${digits(at.getMilliseconds(), 3)}`;
  return `${day} ${clock} ${ahead < 0 ? "-" : "+"}${digits(Math.abs(ahead) / 60)}:${digits(Math.abs(ahead) % 60)}`;
}

function showTimes() {
  for (const { time, utc } of times) time.textContent = isOwnZone() ? inOwnZone(time.dateTime) : utc;
  zone.textContent = isOwnZone() ? "UTC" : "My time zone";
}

if (zone) {
  zone.hidden = false;
  zone.addEventListener("click", () => {
    localStorage.setItem("zone", isOwnZone() ? "utc" : "own");
    showTimes();
  });
  showTimes();
}
