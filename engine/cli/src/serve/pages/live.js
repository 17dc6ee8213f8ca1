"use strict";
// Asks for this page again while what it shows goes on, and puts in place the sections that changed. What is unfolded stays so, and what has the focus.
const pause = { well: 2000, ill: 5000 };
const notice = document.getElementById("notice");
const seen = new Map([...document.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part.outerHTML]));
const name = (e) => e && (e.id || e.getAttribute("href") || e.getAttribute("aria-label"));
// A log is read from its end, unless somebody reads elsewhere in it.
const atEnd = (e) => e.scrollTop + e.clientHeight >= e.scrollHeight - 8;
const toEnd = (where) => where.querySelectorAll("pre.log").forEach((e) => e.scrollTo(0, e.scrollHeight));
const replace = (old, fresh) => {
  const open = [...old.querySelectorAll("details")].map((d) => [name(d), d.open]).filter(([id]) => id);
  const focus = old.contains(document.activeElement) && name(document.activeElement);
  const moved = (e) => !e.matches("pre.log") || !atEnd(e);
  const scrolled = [...old.querySelectorAll(".wide, pre")].filter(moved).map((e) => [name(e), e.scrollLeft, e.scrollTop]).filter(([id]) => id);
  old.replaceWith(fresh);
  toEnd(fresh);
  for (const [id, is] of open) for (const d of fresh.querySelectorAll("details")) if (name(d) === id) d.open = is;
  for (const [id, x, y] of scrolled) for (const e of fresh.querySelectorAll(".wide, pre")) if (name(e) === id) e.scrollTo(x, y);
  if (focus) for (const e of fresh.querySelectorAll("a, summary, [tabindex]")) if (name(e) === focus) return e.focus({ preventScroll: true });
};
const look = async () => {
  const answer = await fetch(location.href, { cache: "no-store", redirect: "error" });
  if (!answer.ok) throw new Error(answer.status === 503 ? "The ledger does not answer; this page goes on when it does." : "This page is gone.");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  // Another page altogether, such as the one that was meant when the ledger was away.
  if (page.querySelector("h1").textContent !== document.querySelector("h1").textContent) return location.reload();
  for (const fresh of page.querySelectorAll("[data-part]")) {
    const id = fresh.dataset.part;
    if (seen.get(id) === fresh.outerHTML) continue;
    seen.set(id, fresh.outerHTML);
    const old = document.querySelector(`[data-part="${CSS.escape(id)}"]`);
    const node = document.importNode(fresh, true);
    if (old) replace(old, node);
    else document.getElementById("content").append(node);
  }
  for (const old of document.querySelectorAll("[data-part]")) {
    if (!page.querySelector(`[data-part="${CSS.escape(old.dataset.part)}"]`)) {
      seen.delete(old.dataset.part);
      old.remove();
    }
  }
  document.title = page.title;
  return page.getElementById("content").dataset.live !== undefined;
};
const say = (text) => {
  if (notice.textContent === text) return;
  notice.textContent = text;
  notice.hidden = !text;
};
const watch = async () => {
  let next = pause.well;
  try {
    if (!document.hidden && !(await look())) return say("");
    say("");
  } catch (error) {
    say(error instanceof TypeError ? "isoflop serve does not answer: was it ended?" : error.message);
    next = pause.ill;
  }
  setTimeout(watch, next);
};
toEnd(document);
if (document.getElementById("content").dataset.live !== undefined) setTimeout(watch, pause.well);
