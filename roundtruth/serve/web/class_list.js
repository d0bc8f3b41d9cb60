// The list of classes: a button for each, and a field to find one where there are more than nine.

const COLOURS = [
  "#ffb627", "#4cc9f0", "#ff7b72", "#7ee081", "#c99bff", "#ff8fd0", "#f2ee6b", "#4fe0c8", "#9db4ff", "#d8c3a5",
];

// Light colours, so that dark text is readable on each.
export function colourOf(place) {
  if (place < 0) return "#d5d9de"; // a class that is not in the list
  return COLOURS[place] ?? `hsl(${Math.round(place * 137.5) % 360} 80% 75%)`;
}

export const keyOf = (place) => (place < 9 ? String(place + 1) : place === 9 ? "0" : "");

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

function element(name, className, text = "") {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

export class ClassList {
  // choose(place): the person chose the class. leave(): the person is done here, and the focus goes back.
  constructor(classes, { choose, leave }) {
    this.classes = classes;
    this.choose = choose;
    this.leave = leave;
    this.element = element("div", "boxes-classes");
    this.list = element("div", "boxes-class-buttons");
    this.list.setAttribute("role", "group");
    this.list.setAttribute("aria-label", "Classes");
    this.buttons = classes.map((name, place) => this.button(name, place));
    this.list.append(...this.buttons);
    if (classes.length > 9) this.element.append(this.filterField());
    this.element.append(this.list);
  }

  button(name, place) {
    const button = element("button", "boxes-class");
    button.type = "button";
    const swatch = element("span", "boxes-swatch");
    swatch.style.background = colourOf(place);
    const text = element("bdi", "boxes-class-name", name);
    button.append(swatch, text);
    button.title = name;
    if (keyOf(place)) {
      const key = element("kbd", "", keyOf(place));
      key.setAttribute("aria-hidden", "true"); // aria-keyshortcuts says it
      button.append(key);
      button.setAttribute("aria-keyshortcuts", keyOf(place));
    }
    button.addEventListener("click", (event) => {
      this.choose(place);
      if (event.detail > 0) this.leave(); // by mouse or finger; who came by the keyboard stays
    });
    return button;
  }

  filterField() {
    this.filter = element("input", "boxes-filter");
    this.filter.type = "search";
    this.filter.placeholder = "Find a class";
    this.filter.setAttribute("aria-keyshortcuts", "/");
    this.filter.setAttribute("aria-label", "Find a class");
    this.nothing = element("p", "boxes-none", "No class has this in its name.");
    this.nothing.hidden = true;
    this.list.append(this.nothing);
    this.filter.addEventListener("input", () => this.show());
    this.filter.addEventListener("keydown", (event) => this.filterKey(event));
    return this.filter;
  }

  filterKey(event) {
    if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation(); // the page must not send the answer
    const found = this.buttons.findIndex((button) => !button.hidden);
    if (event.key === "Enter") {
      if (found < 0) return;
      this.choose(found);
    }
    this.filter.value = "";
    this.show();
    this.leave();
  }

  show() {
    const sought = plain(this.filter.value.trim());
    this.buttons.forEach((button, place) => (button.hidden = !plain(this.classes[place]).includes(sought)));
    this.nothing.hidden = this.buttons.some((button) => !button.hidden);
  }

  mark(chosen) {
    this.buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(place === chosen)));
    this.buttons[chosen]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}
