// What both pages need, and parts of the labeling page that are made from lists: the tools, the table of keys, the
// notices. Every text is set as text.

export const part = (id) => document.getElementById(id);

// A text is only set if it is another, or a screen reader would read it again.
export function setText(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

export const counted = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

export function make(name, properties = {}, ...inside) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...inside);
  return element;
}

const SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", Escape: "Esc" };

export const keyText = (key) => key.split(/(?<=.)\+/).map((name) => SIGNS[name] ?? name).join(" + ");

// One button for each action, in one row. Those for which the row has no room are in a menu, the last actions first.
// Buttons stay the same elements, so that the focus stays where it is.
export class Tools {
  buttons = new Map();

  constructor(element, more, menu) {
    Object.assign(this, { element, more, menu });
    element.addEventListener("mousedown", (event) => event.preventDefault()); // a click leaves the focus where it is
    menu.addEventListener("click", () => this.close());
    menu.addEventListener("beforetoggle", () => this.place());
    new ResizeObserver(() => this.fit()).observe(element);
  }

  show(actions) {
    const ids = actions.map((action) => action.id);
    if (ids.join() !== [...this.buttons.keys()].join()) this.build(actions);
    for (const action of actions) this.update(this.buttons.get(action.id), action);
  }

  build(actions) {
    this.buttons = new Map(actions.map((action) => [action.id, this.button(action)]));
    this.element.replaceChildren(...this.buttons.values(), this.more, this.menu);
    this.element.hidden = actions.length === 0;
    this.fit();
  }

  fit() {
    this.close();
    const { element, more, menu } = this;
    const buttons = [...this.buttons.values()];
    const focused = document.activeElement; // a button loses the focus when it moves
    const tooWide = () => element.scrollWidth > element.clientWidth;
    more.hidden = true;
    more.before(...buttons);
    more.hidden = !tooWide();
    while (tooWide() && buttons.length > 0) menu.prepend(buttons.pop());
    if (element.contains(focused)) focused.focus({ preventScroll: true });
  }

  // The menu is in front of the page, so no style sheet can tell where its button is.
  place() {
    this.menu.style.setProperty("--top", `${this.more.getBoundingClientRect().bottom}px`);
  }

  get open() {
    return this.menu.matches(":popover-open");
  }

  close() {
    if (this.open) this.menu.hidePopover();
  }

  button({ id, keys = [] }) {
    const button = make("button", { type: "button" }, make("span"));
    button.dataset.action = id;
    if (keys.length) button.append(make("kbd", { textContent: keyText(keys[0]) }));
    button.title = keys.map(keyText).join(" or ");
    button.setAttribute("aria-keyshortcuts", keys.join(" ").replaceAll("Ctrl", "Control"));
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") button.run();
    });
    return button;
  }

  update(button, { name, run, pressed, enabled = true }) {
    button.run = run;
    button.firstChild.textContent = name;
    button.setAttribute("aria-disabled", String(!enabled)); // a button that is disabled for good would lose the focus
    if (pressed === undefined) button.removeAttribute("aria-pressed");
    else button.setAttribute("aria-pressed", String(pressed));
  }
}

export function showKeys(body, actions) {
  const rows = actions.filter((action) => action.keys?.length).map(({ name, keys }) => {
    const cell = make("td");
    keys.forEach((key, place) => cell.append(place ? " or " : "", make("kbd", { textContent: keyText(key) })));
    return make("tr", {}, make("th", { scope: "row", textContent: name }), cell);
  });
  body.replaceChildren(...rows);
}

// notices: [{text, verb, run}]
export function showNotices(list, notices) {
  const wanted = JSON.stringify(notices);
  if (list.dataset.shown === wanted) return; // or a screen reader would read them again
  list.dataset.shown = wanted;
  list.replaceChildren(...notices.map(({ text, verb, run }) => {
    const button = make("button", { type: "button", textContent: verb });
    button.addEventListener("click", run);
    return make("li", {}, make("span", { textContent: text, dir: "auto" }), button);
  }));
}
