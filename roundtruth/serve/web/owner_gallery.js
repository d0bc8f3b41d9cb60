// The gallery of disagreements: every answer to an item side by side, from which one can be sent back.

import { counted, make, part, setText } from "./parts.js";
import { button, Series, setHidden, setOutside, setTime } from "./owner_parts.js";
import { Drawing, swatch } from "./owner_drawing.js";
import { duration, named, number, percent } from "./owner_words.js";

export class Gallery {
  constructor(page) {
    this.page = page;
    this.items = new Series(part("items"), ({ item }) => item, () => new Item(this));
  }

  show({ job, classes, page, pages, total, items }) {
    const here = `${job.id}/${page}`;
    if (this.here !== here) this.items.show([]);
    Object.assign(this, { here, classes, drawn: job.kind === "object-detection" });
    this.items.show(this.inOrder(items));
    const found = `${counted(total, "item", "items")} with more than one answer, the most disputed first.`;
    setText(part("gallery-text"), total ? found : "No item has more than one answer yet.");
    for (const paging of document.querySelectorAll(".paging")) showPaging(paging, job.id, page, pages);
  }

  // Items stay where they are while the page is refreshed: nobody wants to press a button that has just moved.
  inOrder(items) {
    const places = new Map([...this.items.parts.keys()].map((item, place) => [item, place]));
    const place = ({ item }) => places.get(item) ?? Infinity;
    return items.toSorted((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
  }
}

function showPaging(paging, id, page, pages) {
  paging.hidden = pages <= 1;
  const [previous, text, next] = paging.children;
  setText(text, `Page ${number(page)} of ${number(pages)}`);
  showStep(previous, id, page - 1, page > 1);
  showStep(next, id, page + 1, page < pages);
}

// A link without an address cannot be pressed.
function showStep(link, id, page, possible) {
  if (possible) link.href = `#job/${id}/gallery/${page}`;
  else link.removeAttribute("href");
  link.setAttribute("aria-disabled", String(!possible));
}

class Item {
  constructor(gallery) {
    this.gallery = gallery;
    this.title = make("h3");
    this.source = make("bdi", { className: "source" });
    this.agreement = make("span", { className: "note" });
    const head = make("div", { className: "head" }, this.title, this.agreement, this.source);
    const list = make("ul", { className: "answers" });
    this.answers = new Series(list, ({ worker }) => worker, ({ worker }) => new Answer(this, worker));
    this.element = make("li", { className: "card item" }, head);
    if (!gallery.drawn) this.element.append(this.picture());
    this.element.append(list);
    this.element.classList.toggle("drawn", gallery.drawn);
  }

  // One picture for all answers, where nothing is drawn on it.
  picture() {
    this.drawing = new Drawing();
    this.enlarge = make("button", { type: "button", className: "enlarge" }, this.drawing.element);
    this.enlarge.addEventListener("click", () => this.gallery.page.enlarged.open(this.name, this.said, [], []));
    return this.enlarge;
  }

  update(said) {
    this.said = said;
    this.name = `Item ${number(said.item)}`;
    setText(this.title, this.name);
    setOutside(this.source, said.source);
    setText(this.agreement, said.agreement === null ? "" : `Agreement ${percent(said.agreement)}`);
    this.drawing?.show(said, [], [], this.name);
    this.enlarge?.setAttribute("aria-label", `Enlarge item ${number(said.item)}`);
    this.answers.show(said.answers);
  }
}

class Answer {
  constructor(item, worker) {
    Object.assign(this, { item, worker, page: item.gallery.page });
    this.name = make("bdi", { className: "name", textContent: worker, title: worker, tabIndex: -1 });
    this.words = make("p", { className: "words", dir: "auto" });
    this.took = make("span");
    this.time = make("time");
    this.waits = make("p", { className: "sent-back", dir: "auto" });
    this.back = button("Send back", () => this.askToSendBack());
    const times = make("p", { className: "note" }, this.took, this.time);
    const text = make("div", { className: "said" }, this.name, times, this.words, this.waits, this.back);
    this.element = make("li", {}, text);
    if (item.gallery.drawn) this.element.prepend(this.picture());
  }

  picture() {
    this.drawing = new Drawing();
    this.enlarge = make("button", { type: "button", className: "enlarge" }, this.drawing.element);
    this.enlarge.addEventListener("click", () => this.open());
    return this.enlarge;
  }

  get title() {
    return `${this.item.name}, ${named(this.worker)}`;
  }

  open() {
    this.page.enlarged.open(this.title, this.item.said, this.rows, this.item.gallery.classes);
  }

  update({ label, reason, at, seconds, words, sent_back }) {
    const { classes } = this.item.gallery;
    this.rows = label ?? [];
    this.drawing?.show(this.item.said, this.rows, classes, this.title);
    this.enlarge?.setAttribute("aria-label", `Enlarge ${this.title}: ${words}`);
    this.back.setAttribute("aria-label", `Send back: ${this.title}`);
    this.showWords(label === null ? `Could not tell: ${reason}` : words, classes);
    setText(this.took, seconds === null ? "" : `${duration(seconds)}, `);
    setTime(this.time, at);
    setText(this.waits, `Sent back: ${sent_back}`);
    this.waits.hidden = !sent_back;
    setHidden(this.back, !this.item.said.open || Boolean(sent_back), this.name);
  }

  // A class has its colour; what is drawn has its names in the picture.
  showWords(words, classes) {
    const chosen = this.rows.map((row) => row.label).filter((label) => label !== undefined);
    const shown = JSON.stringify([words, chosen]);
    if (this.shown === shown) return;
    this.shown = shown;
    const parts = chosen.map((name) => makeClass(name, classes.indexOf(name)));
    this.words.replaceChildren(...(chosen.length ? parts : [words]));
  }

  askToSendBack() {
    const { item } = this.item.said;
    this.page.question.open({
      title: `Send item ${number(item)} back to ${named(this.worker)}?`,
      text: "This person gets the item again, first of all, with their answer and your comment.",
      verb: "Send back",
      comment: true,
      act: async (comment) => {
        await this.page.post("again", { item, worker: this.worker, comment });
        this.page.say(`Item ${number(item)} is sent back to ${named(this.worker)}.`);
      },
    });
  }
}

function makeClass(name, place) {
  return make("span", { className: "class" }, swatch(place), make("bdi", { textContent: name }));
}
