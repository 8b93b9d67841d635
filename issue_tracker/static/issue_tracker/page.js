// The comforts of an issue's page: copy buttons, folding frames, menus that close. The page works without them.
document.addEventListener("DOMContentLoaded", () => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const words = JSON.parse(document.querySelector("#it-words")?.textContent || "{}");

  const copy = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(await text);
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = await text;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("refused");
  };
  const tell = (element, promise) => {
    const label = element.textContent;
    promise.then(() => words.copied, () => words.failed).then((text) => {
      element.textContent = text;
      setTimeout(() => { element.textContent = label; }, 1500);
    });
  };
  for (const block of all("[data-it=copyable]")) {
    const wrap = document.createElement("div");
    const button = document.createElement("button");
    wrap.className = "it-copyable";
    button.type = "button";
    button.className = "it-copy";
    button.textContent = words.copy;
    button.addEventListener("click", () => tell(button, copy(block.textContent)));
    block.replaceWith(wrap);
    wrap.append(block, button);
    block.tabIndex = 0;
  }
  for (const link of all("[data-it=copy-from]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      tell(link, copy(fetch(link.href).then((answer) => answer.ok ? answer.text() : Promise.reject(answer.status))));
    });
  }

  for (const bar of all("[data-it=frames]")) {
    const frames = all(".it-frame, .it-run", bar.parentElement);
    bar.hidden = false;
    bar.addEventListener("click", (event) => {
      const choice = event.target.dataset.itFrames;
      for (const frame of choice ? frames : []) frame.open = choice === "all" || (choice === "own" && frame.matches(".it-own"));
    });
  }
  document.addEventListener("click", (event) => {
    for (const menu of all(".it-menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
});
