// The page works without this: it adds the keys, keeps the place of the list, and filters at once.
"use strict";

const rows = [...document.querySelectorAll(".list tbody tr")];
const chosen = rows.findIndex((row) => row.hasAttribute("aria-current"));
const place = `scroll ${location.pathname}`;
let current = chosen;

const linkOf = (row) => row?.querySelector(".what a");

function focusRow(index, { scroll = true } = {}) {
  if (index < 0 || index >= rows.length) return;
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

const inList = () => document.activeElement === document.body || document.activeElement?.closest?.(".list, #moment") !== null;

const keys = {
  j: () => focusRow(current + 1),
  k: () => focusRow(current < 0 ? 0 : current - 1),
  ArrowDown: () => inList() && rows.length > 0 && (focusRow(current + 1), true),
  ArrowUp: () => inList() && current > 0 && (focusRow(current - 1), true),
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

// Which moment is shown is in the address; where the page stood is kept beside it, so that nothing jumps.
for (const link of document.querySelectorAll(".list tbody .what a, .detail .close, .beside a")) {
  link.hash = "";
  link.addEventListener("click", () => sessionStorage.setItem(place, JSON.stringify({ top: scrollY, row: link.matches(".close") ? rows[chosen]?.id : "" })));
}
const kept = JSON.parse(sessionStorage.getItem(place));
sessionStorage.removeItem(place);
if (kept) {
  scrollTo(0, kept.top);
  focusRow(rows.findIndex((row) => row.id === kept.row));
  rows[chosen]?.scrollIntoView({ block: "nearest" });
}
document.querySelector("#moment")?.focus({ preventScroll: true });

// A filter keeps the focus on the page that it leads to: with the keyboard, one goes on from there.
const filters = [...document.querySelectorAll(".filters select, .filters [type=checkbox]")];
const filter = `filter ${location.pathname}`;
filters[sessionStorage.getItem(filter) ?? -1]?.focus();
sessionStorage.removeItem(filter);
filters.forEach((control, index) => control.addEventListener("change", () => {
  sessionStorage.setItem(filter, index);
  control.form.requestSubmit();
}));
