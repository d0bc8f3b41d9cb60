// The editor for one class a picture. Choosing a class is the whole answer.

import { keyName } from "./keys.js";
import { View } from "./view.js";

const MOST_WITHOUT_FILTER = 9;
const NUMBERED = 10; // classes that have a number key
const ZOOM = 1.25; // a step by a key
const PAN = 60; // CSS pixels, a step by a key
const PIXELATED = 4; // from this scale on each pixel of the picture is seen as it is

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

function make(name, properties = {}, ...inside) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...inside);
  return element;
}

export class Editor {
  static manyRows = false;

  chosen = -1;
  shown = []; // places of the classes that pass the filter
  view = new View();
  fingers = new Map();

  constructor(host, { classes, changed, message, submit }) {
    Object.assign(this, { host, classes, changed, message, submit });
    this.digits = classes.every((name) => /^\d$/.test(name)); // then the key of a class is its name
    this.takesLetters = classes.length > MOST_WITHOUT_FILTER;
    this.stage = make("div", { className: "classes-stage" });
    this.list = make("ul", { className: "classes-list", tabIndex: 0 });
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Classes");
    this.options = classes.map((name, place) => this.option(name, place));
    this.list.append(...this.options);
    this.side = make("div", { className: "classes-side" });
    if (this.takesLetters) this.side.append(this.makeFilter());
    this.side.append(this.list);
    const stage = make("div", { className: "classes-area" }, this.stage, this.zoomButtons());
    this.editor = make("div", { className: "classes" }, stage, this.side);
    host.replaceChildren(this.editor);
    this.listen();
    this.filterBy("");
  }

  option(name, place) {
    const option = make("li", { id: `class-${place}`, title: name }, make("kbd"), make("bdi", { textContent: name }));
    option.setAttribute("role", "option");
    option.addEventListener("click", (event) => {
      if (event.detail < 2) this.choose(place); // the second click of two would answer the next picture
    });
    return option;
  }

  makeFilter() {
    this.filter = make("input", { type: "search", className: "classes-filter", placeholder: "Find a class" });
    this.filter.setAttribute("aria-label", "Find a class");
    this.filter.autocomplete = "off";
    this.filter.addEventListener("input", () => this.filterBy(this.filter.value));
    this.filter.addEventListener("keydown", (event) => {
      if (!event.isComposing && this.filterKey(event)) event.preventDefault();
    });
    return this.filter;
  }

  listen() {
    this.resized = new ResizeObserver(() => this.resize());
    this.resized.observe(this.stage);
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    this.stage.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      this.stage.addEventListener(name, (event) => this.fingers.delete(event.pointerId));
    }
  }

  destroy() {
    this.resized.disconnect();
    this.editor.remove();
  }

  // ---- the label

  load({ picture, width, height, label }) {
    this.chosen = this.classes.indexOf(label?.[0]?.label);
    this.fingers.clear();
    this.picture = picture;
    Object.assign(picture, { className: "classes-picture", alt: "The picture to label", draggable: false });
    picture.style.width = `${width}px`;
    picture.style.height = `${height}px`;
    this.stage.replaceChildren(picture);
    this.view.setStage(this.stage.clientWidth, this.stage.clientHeight);
    this.view.setPicture(width, height);
    this.place();
    if (this.filter) this.filter.value = "";
    this.filterBy("");
  }

  label() {
    return this.empty() ? [] : [{ label: this.classes[this.chosen] }];
  }

  empty() {
    return this.chosen < 0;
  }

  choose(place) {
    if (!this.picture) return;
    this.chosen = place;
    this.mark();
    this.changed();
    this.submit();
    this.message(this.classes[place]);
  }

  step(by) {
    const at = this.shown.indexOf(this.chosen);
    const next = at < 0 ? (by > 0 ? 0 : this.shown.length - 1) : Math.min(Math.max(at + by, 0), this.shown.length - 1);
    this.pick(this.shown[next] ?? -1);
  }

  pick(place) {
    if (place === this.chosen) return;
    this.chosen = place;
    this.mark();
    this.changed();
  }

  mark() {
    this.options.forEach((option, place) => option.setAttribute("aria-selected", String(place === this.chosen)));
    for (const element of [this.list, this.filter]) {
      if (this.empty()) element?.removeAttribute("aria-activedescendant");
      else element?.setAttribute("aria-activedescendant", `class-${this.chosen}`);
    }
    this.options[this.chosen]?.scrollIntoView({ block: "nearest" });
  }

  // ---- the filter

  filterBy(text) {
    const sought = plain(text.trim());
    this.shown = this.classes.flatMap((name, place) => (plain(name).includes(sought) ? [place] : []));
    this.options.forEach((option) => (option.hidden = true));
    this.shown.forEach((place, at) => {
      this.options[place].hidden = false;
      this.options[place].firstChild.textContent = this.keyOf(place, at);
    });
    this.list.dataset.none = this.shown.length ? "" : "No class has this in its name.";
    if (sought) this.pick(this.shown[0] ?? -1);
    this.mark();
  }

  keyOf(place, at) {
    if (this.digits) return this.classes[place];
    return at < NUMBERED ? String((at + 1) % 10) : "";
  }

  filterKey(event) {
    const name = keyName(event);
    if (name === "Escape") {
      this.filter.value = "";
      this.filterBy("");
      this.filter.blur();
      return true;
    }
    if (/^Arrow(Left|Right)$/.test(name)) return false; // they move in the text
    return /^(\d|ArrowUp|ArrowDown|Enter)$/.test(name) && this.key(event);
  }

  // ---- keys

  key(event) {
    const name = keyName(event);
    if (/^\d$/.test(name)) return this.digit(name, event.repeat);
    if (name === "Enter") return this.enter(event.repeat);
    const view = this.views().find(({ keys }) => keys.includes(name));
    if (view) view.run();
    else if (/^Arrow/.test(name)) this.step(/Down|Right/.test(name) ? 1 : -1);
    else return this.type(event);
    return true;
  }

  digit(digit, repeated) {
    const place = this.shown.find((place, at) => this.keyOf(place, at) === digit);
    if (place !== undefined && !repeated) this.choose(place);
    return true;
  }

  enter(repeated) {
    if (!repeated) this.submit();
    return true;
  }

  type({ key, ctrlKey, altKey, metaKey }) {
    if (!this.filter || ctrlKey || altKey || metaKey || !/^\p{L}$/u.test(key)) return false;
    this.filter.focus();
    this.filter.value += key;
    this.filterBy(this.filter.value);
    return true;
  }

  // The page has nothing to show in its row of tools: the picture gets the room.
  actions() {
    return [];
  }

  shortcuts() {
    const [first, ...others] = this.classes.map((name, place) => this.keyOf(place, place)).filter(Boolean);
    return [
      { name: "Choose a class and send it", keys: [others.length ? `${first} … ${others.at(-1)}` : first] },
      { name: "Go through the classes", keys: ["ArrowUp", "ArrowDown"] },
      { name: "Send the class that is marked", keys: ["Enter"] },
      ...(this.filter ? [{ name: "Find a class", keys: ["A … Z"] }] : []),
      { name: "Zoom", keys: ["+", "-", "Wheel", "Two fingers"] },
      { name: "Move the picture", keys: ["Drag", "Shift+Arrows"] },
      { name: "Show the whole picture", keys: ["Home"] },
    ];
  }

  views() {
    const pan = (key, x, y) => ({ keys: [`Shift+Arrow${key}`], run: () => this.pan(x * PAN, y * PAN) });
    return [
      { sign: "+", name: "Zoom in", keys: ["+", "="], run: () => this.zoom(ZOOM) },
      { sign: "−", name: "Zoom out", keys: ["-"], run: () => this.zoom(1 / ZOOM) },
      { sign: "Fit", name: "Show the whole picture", keys: ["Home"], run: () => this.fit() },
      pan("Left", 1, 0), pan("Right", -1, 0), pan("Up", 0, 1), pan("Down", 0, -1),
    ]; // prettier-ignore
  }

  zoomButtons() {
    const buttons = this.views().filter(({ sign }) => sign).map(({ sign, name, keys, run }) => {
      const button = make("button", { type: "button", textContent: sign, title: `${name} (${keys[0]})` });
      button.setAttribute("aria-label", name);
      button.addEventListener("click", run);
      return button;
    });
    return make("div", { className: "classes-zoom" }, ...buttons);
  }

  // ---- zoom and pan

  resize() {
    this.view.setStage(this.stage.clientWidth, this.stage.clientHeight);
    this.place();
  }

  place() {
    if (!this.picture) return;
    const { left, top, scale } = this.view;
    this.picture.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
    this.picture.style.imageRendering = scale >= PIXELATED ? "pixelated" : "auto";
  }

  zoom(factor, point = this.view.middle()) {
    this.view.zoom(factor, point);
    this.place();
  }

  pan(dx, dy) {
    this.view.pan(dx, dy);
    this.place();
  }

  fit() {
    this.view.fit();
    this.place();
  }

  at({ clientX, clientY }) {
    const { left, top } = this.stage.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }

  wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
    const speed = event.ctrlKey ? 0.01 : 0.002; // with Ctrl these are two fingers on a trackpad
    this.zoom(Math.exp(-pixels * speed), this.at(event));
  }

  down(event) {
    if (event.pointerType === "mouse" && event.button > 1) return;
    this.stage.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, this.at(event));
  }

  // One finger or the mouse pans, two fingers pan and zoom.
  move(event) {
    const from = this.fingers.get(event.pointerId);
    if (!from) return;
    const to = this.at(event);
    const [other] = [...this.fingers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    this.fingers.set(event.pointerId, to);
    if (other) this.pinch(from, to, other);
    else this.pan(to.x - from.x, to.y - from.y);
  }

  pinch(from, to, other) {
    const distance = (point) => Math.hypot(point.x - other.x, point.y - other.y);
    const middle = (point) => ({ x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 });
    this.view.pan(middle(to).x - middle(from).x, middle(to).y - middle(from).y);
    this.zoom(distance(to) / Math.max(distance(from), 1), middle(to));
  }
}
