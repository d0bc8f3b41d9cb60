// The editor of boxes: the label of an object-detection job.

import { ClassList } from "./class_list.js";
import { around, clipped, contains, isBox, moved, resized } from "./geometry.js";
import { Gestures } from "./gestures.js";
import { History } from "./history.js";
import { keyName, needsKey } from "./keys.js";
import { Light } from "./light.js";
import { paintBoxes, paintPicture } from "./paint.js";
import { View } from "./view.js";

const ZOOM = 1.25;
const SLACK = 3; // stage pixels round a box that belong to it, so that a tiny one can be hit
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const WHILE_HELD = new Set(["undo", "redo", "next", "previous", "zoom-in", "zoom-out"]); // keys that go on when held

const counted = (count, noun = "box") => `${count} ${count === 1 ? noun : noun + "es"}`;

function element(name, className) {
  return Object.assign(document.createElement(name), { className });
}

export class Editor {
  picture = null;
  previous = [];
  chosen = 0; // the class of the next box, by its place in the list
  extreme = false; // whether boxes are drawn by four extreme points
  hidden = false; // whether the boxes are out of sight
  points = []; // of the box begun by points
  cursor = null; // where the keyboard draws, or null
  draft = null; // {index, box}: the box being drawn (index -1) or changed
  hovered = -1;
  aim = null; // where the crosshair is, or null
  close = null; // what the magnifier shows, or null
  touch = false; // whether the last press was a finger's
  history = new History({ rows: [], selected: -1 });
  view = new View();
  hits = ""; // which boxes the last click found

  constructor(host, { classes, changed, message, submit }) {
    Object.assign(this, { host, classes, changed, message, submit });
    this.places = new Map(classes.map((name, place) => [name, place]));
    this.light = new Light(() => this.repaint("picture"));
    this.classList = new ClassList(classes, {
      choose: (place) => this.choose(place),
      leave: () => this.boxCanvas.focus({ preventScroll: true }),
    });
    this.build();
    this.ending = new AbortController();
    this.gestures = new Gestures(this.boxCanvas, this, this.ending.signal);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
    // The stage has its size on a screen with other pixels too.
    window.addEventListener("resize", () => this.resize(), { signal: this.ending.signal });
    this.classList.mark(this.chosen);
  }

  build() {
    this.root = element("div", "boxes-editor");
    this.stage = element("div", "boxes-stage");
    this.pictureCanvas = element("canvas", "boxes-picture");
    this.boxCanvas = element("canvas", "boxes-canvas");
    this.boxCanvas.tabIndex = 0;
    this.boxCanvas.setAttribute("role", "application");
    this.status = element("p", "boxes-unseen");
    this.status.setAttribute("role", "status");
    this.list = element("ol", "boxes-unseen");
    this.list.setAttribute("aria-label", "Boxes");
    this.stage.append(this.pictureCanvas, this.boxCanvas, this.light.panel, this.status, this.list);
    const layout = element("div", "boxes-layout");
    layout.append(this.stage, this.classList.element);
    this.root.append(layout);
    this.host.append(this.root);
  }

  destroy() {
    this.ending.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    this.root.remove();
  }

  load({ picture, width, height, label, previous }) {
    this.dropBegun();
    Object.assign(this, { picture, previous: previous ?? [], hovered: -1, hidden: false, hits: "" });
    this.view.setPicture(width, height);
    const rows = (label ?? []).map((row) => this.clippedRow(row)).filter((row) => row.width > 0 && row.height > 0);
    this.history = new History({ rows, selected: -1 });
    const size = `Picture of ${width} by ${height} pixels.`;
    this.boxCanvas.setAttribute("aria-label", `${size} B draws a box with the arrow keys and Enter. N selects a box.`);
    this.resize();
    this.describe();
  }

  clippedRow(row) {
    const { left, top, width, height } = clipped(row, this.view.picture);
    return { class: row.class, left, top, width, height };
  }

  // ---- the label

  get rows() {
    return this.history.now.rows;
  }

  get selected() {
    return this.history.now.selected;
  }

  selectedRow() {
    return this.hidden ? undefined : this.rows[this.selected];
  }

  label() {
    return this.rows.map((row) => ({ ...row }));
  }

  empty() {
    return this.rows.length === 0;
  }

  // merge: this goes on with the last change, see History.
  change(rows, selected, merge = false) {
    this.history.add({ rows, selected }, merge);
    this.hidden = false;
    this.hits = "";
    this.update();
  }

  update() {
    this.describe();
    this.repaint();
    this.changed();
  }

  add(box) {
    this.change([...this.rows, { class: this.classes[this.chosen], ...box }], this.rows.length);
  }

  replace(index, changes, merge = false) {
    const row = this.rows[index];
    if (Object.entries(changes).every(([name, value]) => row[name] === value)) return; // nothing for undo to take back
    this.change(this.rows.with(index, { ...row, ...changes }), index, merge);
  }

  remove() {
    this.change(this.rows.toSpliced(this.selected, 1), -1);
  }

  duplicate() {
    const row = this.selectedRow();
    const { width, height } = this.view.picture;
    const by = Math.max(12 / this.view.scale, 1);
    const dx = row.left + row.width + by > width ? -by : by;
    const dy = row.top + row.height + by > height ? -by : by;
    this.change([...this.rows, { ...row, ...moved(row, dx, dy, this.view.picture) }], this.rows.length);
  }

  repeat() {
    const has = new Set(this.rows.map((row) => JSON.stringify(row)));
    const rows = this.previous.map((row) => this.clippedRow(row)).filter(isBox);
    const more = rows.filter((row) => !has.has(JSON.stringify(row)));
    if (more.length > 0) this.change([...this.rows, ...more], -1);
    this.message(more.length > 0 ? `${counted(more.length)} repeated` : "The last picture's boxes are all here");
  }

  undo() {
    if (this.points.length > 0) this.points.pop();
    else {
      this.dropBegun();
      this.history.undo();
    }
    this.update();
  }

  redo() {
    this.dropBegun();
    this.history.redo();
    this.update();
  }

  choose(place) {
    this.chosen = place;
    this.classList.mark(place);
    const row = this.selectedRow();
    const name = this.classes[place];
    if (row && row.class !== name && !this.drawing()) {
      this.replace(this.selected, { class: name });
      this.message(`This box is now ${name}`);
    } else this.repaint();
  }

  // ---- selecting

  select(index) {
    this.history.now = { ...this.history.now, selected: index };
    if (index >= 0) this.hidden = false;
    this.update();
  }

  selectNext(step) {
    const count = this.rows.length;
    const from = this.selected < 0 && step < 0 ? 0 : this.selected;
    this.select((from + step + count) % count);
    const { left, top, width, height } = this.selectedRow();
    this.view.reveal({ x: left + width / 2, y: top + height / 2 });
    this.repaint("picture");
  }

  // The boxes at a place of the picture, the smallest first.
  under(place) {
    if (this.hidden) return [];
    const area = (index) => this.rows[index].width * this.rows[index].height;
    const slack = SLACK / this.view.scale;
    const found = [...this.rows.keys()].filter((index) => contains(this.rows[index], place, slack));
    return found.sort((one, other) => area(one) - area(other));
  }

  // A click takes the smallest box; each more click at the boxes takes the next one below.
  selectUnder(place) {
    const found = this.under(place);
    const hits = found.join();
    const again = hits === this.hits ? found.indexOf(this.selected) + 1 : 0;
    this.select(found[again % found.length] ?? -1);
    this.hits = hits;
  }

  // ---- drawing by points and by the keyboard

  drawing() {
    return this.gestures.busy || this.points.length > 0 || this.cursor !== null;
  }

  dropBegun() {
    this.gestures.cancel();
    this.points = [];
    this.cursor = null;
  }

  needed() {
    return this.extreme ? 4 : 2;
  }

  addPoint(place) {
    this.points.push(place);
    if (this.points.length === this.needed()) {
      const box = around(this.points, this.view.picture);
      this.dropBegun();
      if (isBox(box)) return this.add(box);
      this.message("A box is at least one pixel wide and high");
    }
    this.update();
  }

  useExtremePoints() {
    this.dropBegun();
    this.extreme = !this.extreme;
    const how = "Click the object's top, left, bottom and right end, in any order";
    this.message(this.extreme ? how : "Drag to draw a box");
    this.update();
  }

  useCursor() {
    const begin = this.cursor === null;
    this.dropBegun();
    if (begin) {
      const { x, y } = this.view.toPicture(this.view.middle());
      this.moveCursor({ x: Math.round(x), y: Math.round(y) });
      this.message("Arrow keys move the crosshair, Shift and Ctrl faster; Enter sets a corner, Esc ends");
      this.boxCanvas.focus({ preventScroll: true });
    }
    this.update();
  }

  endCursor() {
    if (this.cursor) this.dropBegun();
  }

  moveCursor({ x, y }) {
    const { width, height } = this.view.picture;
    this.cursor = { x: Math.min(Math.max(x, 0), width), y: Math.min(Math.max(y, 0), height) };
    this.close = { at: this.cursor, away: { x: 1, y: 1 } };
    this.view.reveal(this.cursor);
    this.repaint("picture");
  }

  placeCorner() {
    const { x, y } = this.cursor;
    this.addPoint(this.cursor);
    if (this.points.length > 0) this.message(`Corner ${this.points.length} of ${this.needed()} at ${x}, ${y}`);
  }

  // ---- what the page offers

  // The most used first: where the page has no room for all buttons, it puts the last ones into a menu.
  actions() {
    const chosen = this.selectedRow() !== undefined;
    const some = this.rows.length > 0;
    const undo = this.history.past.length > 0 || this.points.length > 0;
    const redo = this.history.future.length > 0;
    const repeat = this.previous.length > 0;
    const action = (id, name, keys, run, more = {}) => ({ id, name, keys, run, ...more });
    return [
      action("undo", "Undo", ["Ctrl+Z"], () => this.undo(), { enabled: undo }),
      action("redo", "Redo", ["Ctrl+Y", "Ctrl+Shift+Z"], () => this.redo(), { enabled: redo }),
      action("delete", "Delete", ["Delete", "Backspace"], () => this.remove(), { enabled: chosen }),
      action("duplicate", "Duplicate", ["D", "Ctrl+D"], () => this.duplicate(), { enabled: chosen }),
      action("extreme", "Draw by four points", ["X"], () => this.useExtremePoints(), { pressed: this.extreme }),
      action("repeat", "Repeat the last picture's boxes", ["R"], () => this.repeat(), { enabled: repeat }),
      action("fit", "Fit the picture", ["F"], () => this.fit()),
      action("hide", "Hide the boxes", ["H"], () => this.hide(), { pressed: this.hidden }),
      action("next", "Next box", ["N", "]"], () => this.selectNext(1), { enabled: some }),
      action("previous", "Previous box", ["P", "["], () => this.selectNext(-1), { enabled: some }),
      action("zoom-in", "Zoom in", ["+", "="], () => this.zoom(ZOOM)),
      action("zoom-out", "Zoom out", ["-"], () => this.zoom(1 / ZOOM)),
      action("light", "Brightness and contrast", ["L"], () => this.toggleLight(), { pressed: this.light.shown }),
      action("cursor", "Draw with the keyboard", ["B"], () => this.useCursor(), { pressed: this.cursor !== null }),
    ];
  }

  // What keys, mouse and fingers do besides the actions, for the page's help.
  shortcuts() {
    return [
      { name: "Draw a box", keys: ["Drag"] },
      { name: "Draw inside the selected box", keys: ["Shift+Drag"] },
      { name: "Select a box; again: the one below", keys: ["Click"] },
      { name: "Choose the class of the selected box, or of the next one", keys: ["1 … 9", "0"] },
      ...(this.classList.filter ? [{ name: "Find a class", keys: ["/"] }] : []),
      { name: "Move the selected box by 1 or 10 pixels", keys: ["Arrows", "Shift+Arrows"] },
      { name: "Resize it by 1 or 10 pixels, on a Mac with Cmd", keys: ["Ctrl+Arrows", "Ctrl+Shift+Arrows"] },
      { name: "Zoom", keys: ["Wheel", "Two fingers"] },
      { name: "Pan", keys: ["Space+Drag", "Middle button", "Two fingers"] },
      ...this.lightKeys().map(({ name, keys }) => ({ name, keys })),
      { name: "Drop what is begun; end the selection", keys: ["Esc"] },
    ];
  }

  lightKeys() {
    return [
      { name: "Darker", keys: ["U"], run: () => this.light.step("brightness", -1) },
      { name: "Brighter", keys: ["I"], run: () => this.light.step("brightness", 1) },
      { name: "Less contrast", keys: ["J"], run: () => this.light.step("contrast", -1) },
      { name: "More contrast", keys: ["K"], run: () => this.light.step("contrast", 1) },
    ];
  }

  zoom(factor) {
    const row = this.selectedRow();
    const centre = row && this.view.toStage({ x: row.left + row.width / 2, y: row.top + row.height / 2 });
    this.view.zoom(factor, this.cursor ? this.view.toStage(this.cursor) : (centre ?? this.view.middle()));
    this.repaint("picture");
  }

  fit() {
    this.view.fit();
    this.repaint("picture");
  }

  hide() {
    this.hidden = !this.hidden;
    this.update();
  }

  toggleLight() {
    this.light.panel.hidden = this.light.shown;
    this.update();
  }

  // ---- keys

  key(event) {
    const name = keyName(event);
    if (!this.picture || needsKey(event.target, name)) return false;
    const used = this.useKey(name, event.repeat);
    if (used) event.preventDefault();
    return used;
  }

  useKey(name, held) {
    if (name === "Escape") return this.escape();
    if (name === " ") {
      this.gestures.holdSpace(true);
      return true;
    }
    if (this.gestures.busy) return false; // not while something is dragged
    if (name === "Enter") return held || this.enter();
    if (name === "/" && this.classList.filter) {
      this.classList.filter.focus();
      return true;
    }
    if (/^\d$/.test(name)) return this.digit(Number(name));
    const arrow = ARROWS[name.split("+").at(-1)];
    if (arrow && !name.includes("Alt")) return this.arrow(arrow, name, held); // with Alt they go back and on
    const action = [...this.actions(), ...this.lightKeys()].find(({ keys }) => keys.includes(name));
    if (action && action.enabled !== false && (!held || !action.id || WHILE_HELD.has(action.id))) action.run();
    return action !== undefined;
  }

  escape() {
    if (this.drawing()) {
      this.dropBegun();
      this.update();
    } else if (this.light.shown) this.toggleLight();
    else if (this.selected >= 0) this.select(-1);
    else return false;
    return true;
  }

  enter() {
    if (this.cursor) this.placeCorner();
    else if (this.points.length > 0) this.message("Set the other points first, or drop them with Esc");
    else this.submit();
    return true;
  }

  digit(number) {
    const place = number === 0 ? 9 : number - 1;
    if (place >= this.classes.length) return false;
    this.choose(place);
    return true;
  }

  arrow([x, y], name, held) {
    const far = name.includes("Shift") ? 10 : 1;
    const other = name.includes("Ctrl");
    const row = this.selectedRow();
    const { picture } = this.view;
    if (this.cursor) {
      const step = other ? 100 : far;
      this.moveCursor({ x: this.cursor.x + x * step, y: this.cursor.y + y * step });
    } else if (row && other) {
      const box = resized(row, { x: Math.abs(x), y: Math.abs(y) }, x * far, y * far, picture);
      const turned = box.left < row.left || box.top < row.top; // the edge went past the one that stays
      if (isBox(box) && !turned) this.replace(this.selected, box, held);
    } else if (row) this.replace(this.selected, moved(row, x * far, y * far, picture), held);
    else {
      this.view.pan(-x * 50, -y * 50);
      this.repaint("picture");
    }
    return true;
  }

  // ---- what is seen and heard

  resize() {
    const { clientWidth, clientHeight } = this.stage;
    if (clientWidth === 0 || clientHeight === 0) return;
    this.view.setStage(clientWidth, clientHeight);
    this.repaint("picture");
    this.paint(); // a canvas of another size is empty until it is painted
  }

  // Before the screen shows the next frame: the boxes are painted, and the picture too where it changed.
  repaint(what) {
    if (what === "picture") this.pictureChanged = true;
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    if (!this.picture) return;
    if (this.pictureChanged) {
      paintPicture(this.pictureCanvas, this.picture, this.view);
      this.pictureCanvas.style.filter = this.light.filter();
      this.pictureChanged = false;
    }
    paintBoxes(this.boxCanvas, this.scene());
  }

  scene() {
    const { view, hovered, touch, points } = this;
    const boxes = this.hidden ? [] : this.rows.map((row) => ({ ...row, place: this.places.get(row.class) ?? -1 }));
    const draft = this.draft ?? this.begunBox();
    let selected = this.hidden ? -1 : this.selected;
    if (draft) selected = draft.index < 0 || this.hidden ? boxes.length : draft.index;
    if (draft) boxes[selected] = { ...this.draftRow(draft), ...draft.box };
    const near = this.close && view.scale < (touch ? 2 : 1);
    const lens = near ? { ...this.close, image: this.picture, filter: this.light.filter() } : null;
    return { view, boxes, selected, hovered, draft, touch, points, aim: this.cursor ?? this.aim, lens };
  }

  draftRow({ index }) {
    const name = index < 0 ? this.classes[this.chosen] : this.rows[index].class;
    return { class: name, place: this.places.get(name) ?? -1 };
  }

  // The box around the points set so far and the pointer.
  begunBox() {
    const aim = this.cursor ?? this.aim;
    if (this.points.length === 0) return null;
    return { index: -1, box: around(aim ? [...this.points, aim] : this.points, this.view.picture) };
  }

  // The same in words, for people who hear the page.
  describe() {
    const { rows, selected } = this;
    const now = rows[selected] ? `; box ${selected + 1}, ${rows[selected].class}, is selected` : "";
    const text = counted(rows.length) + now + (this.hidden ? "; the boxes are hidden" : "");
    write(this.status, text);
    const items = this.list.children;
    while (items.length > rows.length) this.list.lastChild.remove();
    while (items.length < rows.length) this.list.append(document.createElement("li"));
    rows.forEach((row, index) => write(items[index], inWords(row, index === selected)));
  }
}

function inWords(row, selected) {
  const [left, top, width, height] = [row.left, row.top, row.width, row.height].map(Math.round);
  const place = `${left} from the left, ${top} from the top, ${width} wide, ${height} high`;
  return `${row.class}: ${place}${selected ? ", selected" : ""}`;
}

// A text that stays the same costs nothing, and is not read out again.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
