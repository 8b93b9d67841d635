// Makes the admin pages quicker to use; all of them work without it. No framework, nothing inline, no data but what the page holds.
document.addEventListener("DOMContentLoaded", () => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const words = JSON.parse(one("#it-words")?.textContent || "{}");

  const refresh = one("[data-it=refresh]");
  if (refresh) {
    const key = "issue_tracker.refresh";
    const show = () => refresh.setAttribute("aria-pressed", String(localStorage.getItem(key) === "on"));
    refresh.parentElement.hidden = false;
    refresh.addEventListener("click", () => {
      localStorage.setItem(key, localStorage.getItem(key) === "on" ? "off" : "on");
      show();
    });
    show();
    setInterval(() => {
      const busy = document.hidden || one(".action-select:checked") || one("dialog[open]") || document.activeElement.matches("input, textarea, select");
      if (localStorage.getItem(key) === "on" && !busy) location.reload();
    }, 30000);
  }

  const rows = all("#result_list tbody tr");
  let at = -1;
  const move = (step) => {
    if (!rows.length) return;
    rows[at]?.classList.remove("it-at");
    at = Math.max(0, Math.min(rows.length - 1, at + step));
    rows[at].classList.add("it-at");
    one(".it-one a", rows[at])?.focus({ preventScroll: true });
    rows[at].scrollIntoView({ block: "nearest" });
  };
  const click = (selector) => one(selector)?.click();
  const resolve = () => {
    const action = one("#changelist-form select[name=action]");
    const box = rows[at] && one(".action-select", rows[at]);
    if (!action || !one("option[value=resolve_selected]", action)) return;
    if (box && !one(".action-select:checked")) box.click();
    if (!one(".action-select:checked")) return;
    action.value = "resolve_selected";
    click("#changelist-form .actions button[name=index]");
  };
  const isList = Boolean(one("#changelist"));
  const keys = isList
    ? { j: [words.down, () => move(1)], k: [words.up, () => move(-1)], o: [words.open, () => one(".it-at .it-one a")?.click()], x: [words.select, () => one(".it-at .action-select")?.click()], r: [words.resolve, resolve], "/": [words.search, () => one("#searchbar")?.focus()] }
    : { j: [words.older, () => click("[data-it=older]")], k: [words.newer, () => click("[data-it=newer]")], r: [words.reopen, () => click("[data-it-key=r]")], u: [words.list, () => click("[data-it=up]")] };
  keys["?"] = [words.help, () => help()];
  const help = () => {
    let dialog = one(".it-help");
    if (!dialog) {
      dialog = document.body.appendChild(document.createElement("dialog"));
      dialog.className = "it-help";
      dialog.setAttribute("aria-label", words.keys);
      const list = document.createElement("dl");
      for (const [key, [text]] of Object.entries(keys)) {
        const name = list.appendChild(document.createElement("dt")).appendChild(document.createElement("kbd"));
        name.textContent = key;
        list.appendChild(document.createElement("dd")).textContent = text;
      }
      const close = document.createElement("button");
      close.className = "button";
      close.textContent = words.close;
      close.addEventListener("click", () => dialog.close());
      dialog.append(list, close);
    }
    dialog.open ? dialog.close() : dialog.showModal();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    const found = keys[event.key];
    if (!found || (one("dialog[open]") && event.key !== "?")) return;
    event.preventDefault();
    found[1]();
  });
});
