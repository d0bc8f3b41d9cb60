// Parts of the owner's page that are shown again every few seconds. What has not changed stays the same element, so
// that focus, scrolling and what a person has opened stay as they are. Every text is set as text.

import { make, setText } from "./parts.js";
import { ago } from "./owner_words.js";

// A text from outside that may be long: it is cut by the style, and whole in the tip.
export function setOutside(element, text) {
  setText(element, text);
  if (element.title !== text) element.title = text;
}

export function setTime(element, time) {
  element.hidden = !time;
  if (!time) return;
  element.dateTime = time;
  element.title = new Date(time).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
  setText(element, ago(time));
}

// Hides or shows an element. If it has the focus, the focus goes to the heir, which is near it.
export function setHidden(element, hidden, heir) {
  const focused = element.contains(document.activeElement);
  element.hidden = hidden;
  if (hidden && focused) heir.focus({ preventScroll: true });
}

export function button(text, run, className = "") {
  const element = make("button", { type: "button", textContent: text, className });
  element.addEventListener("click", run);
  return element;
}

// One part for each item: make(item) gives {element, update(item)}.
export class Series {
  parts = new Map();

  constructor(parent, keyOf, makePart) {
    Object.assign(this, { parent, keyOf, makePart });
  }

  show(items) {
    const focused = document.activeElement;
    const wanted = new Map(items.map((item) => [this.keyOf(item), item]));
    for (const key of [...this.parts.keys()]) if (!wanted.has(key)) this.drop(key);
    let next = this.parent.firstElementChild;
    for (const [key, item] of wanted) {
      if (!this.parts.has(key)) this.parts.set(key, this.makePart(item));
      const { element } = this.parts.get(key);
      if (element === next) next = next.nextElementSibling;
      else this.parent.insertBefore(element, next);
      this.parts.get(key).update(item);
    }
    // an element that is moved loses the focus
    if (focused !== document.activeElement && this.parent.contains(focused)) focused.focus({ preventScroll: true });
  }

  drop(key) {
    this.parts.get(key).element.remove();
    this.parts.delete(key);
  }
}

// Names and values: figures(list).show([[name, value, note], ...])
export const figures = (list) => new Series(list, ([name]) => name, makeFigure);

function makeFigure([name]) {
  const value = make("dd");
  const note = make("dd", { className: "note" });
  const element = make("div", {}, make("dt", { textContent: name }), value, note);
  const update = ([, text, more = ""]) => {
    setText(value, text);
    setText(note, more);
    note.hidden = !more;
  };
  return { element, update };
}

// A table of plain texts. columns: [[name, text of a row], ...]; the first column heads the row.
export class Table {
  constructor(table, columns, keyOf) {
    const head = columns.map(([name]) => make("th", { scope: "col", textContent: name }));
    const body = make("tbody");
    table.append(make("thead", {}, make("tr", {}, ...head)), body);
    this.rows = new Series(body, keyOf, () => makeRow(columns));
  }

  show(items) {
    this.rows.show(items);
  }
}

function makeRow(columns) {
  const cells = columns.map((_, place) => (place ? make("td") : make("th", { scope: "row" })));
  const update = (item) => columns.forEach(([, text], place) => setText(cells[place], text(item)));
  return { element: make("tr", {}, ...cells), update };
}
