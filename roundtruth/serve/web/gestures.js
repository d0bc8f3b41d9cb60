// What a mouse, a pen and fingers do on the stage: draw, move, resize, select, zoom and pan.

import { around, isBox, moved, resized, sideAt } from "./geometry.js";

const WANDER = { mouse: 4, touch: 10 }; // stage pixels that a press may wander and still be a click
const REACH = { mouse: 9, touch: 22 }; // stage pixels from an edge where a press pulls it
const LINE = 16; // stage pixels, for a wheel that counts in lines

export class Gestures {
  presses = new Map(); // where each finger or button is now, by the pointer's id
  gesture = null; // what the first press does: {move(place), end(place, click)}
  pinching = false;
  spaceHeld = false;

  constructor(canvas, editor, signal) {
    this.canvas = canvas;
    this.editor = editor;
    this.view = editor.view;
    const on = (type, listener, target = canvas) => target.addEventListener(type, listener, { signal, passive: false });
    // The ring of the focus is for who came by the keyboard; a key after a click would bring it too.
    on("focus", () => canvas.classList.toggle("boxes-by-keyboard", canvas.matches(":focus-visible")));
    on("blur", () => canvas.classList.remove("boxes-by-keyboard"));
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.lost(event));
    on("lostpointercapture", (event) => this.presses.has(event.pointerId) && this.lost(event));
    on("pointerleave", () => this.gesture || this.hover(null));
    on("wheel", (event) => this.wheel(event));
    on("mousedown", (event) => event.button === 1 && event.preventDefault()); // no scrolling by the middle button
    on("contextmenu", (event) => event.preventDefault()); // a long press of a finger is no menu
    on("keyup", (event) => event.key === " " && this.holdSpace(false), window);
    on("blur", () => this.holdSpace(false), window);
  }

  get busy() {
    return this.gesture !== null || this.pinching;
  }

  kind() {
    return this.editor.touch ? "touch" : "mouse";
  }

  place(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  down(event) {
    if (!this.editor.picture) return;
    this.canvas.classList.remove("boxes-by-keyboard");
    this.canvas.setPointerCapture(event.pointerId); // the drag goes on outside of the stage and of the window
    const at = this.place(event);
    this.presses.set(event.pointerId, at);
    if (this.presses.size === 2) {
      this.cancel();
      this.pinching = true;
    } else if (this.presses.size === 1) {
      this.editor.touch = event.pointerType === "touch";
      this.gesture = this.begun(event, at);
      Object.assign(this, { id: event.pointerId, start: at, wandered: false });
    }
  }

  begun(event, at) {
    if (event.button === 1 || this.spaceHeld) return this.panning(at);
    if (event.button !== 0) return null;
    const { editor } = this;
    editor.endCursor();
    const side = editor.points.length > 0 || event.shiftKey ? null : this.sideAt(at);
    if (side) return this.resizing(side, at);
    const inside = this.insideSelected(at) && editor.points.length === 0 && !event.shiftKey;
    if (inside) return this.moving(at);
    return editor.extreme ? this.pointing(at) : this.drawing(at);
  }

  sideAt(at) {
    const row = this.editor.selectedRow();
    return row && sideAt(this.view.rectangle(row), at, REACH[this.kind()]);
  }

  insideSelected(at) {
    return this.editor.under(this.view.toPicture(at)).includes(this.editor.selected);
  }

  move(event) {
    const at = this.place(event);
    const before = this.presses.get(event.pointerId);
    if (before) this.presses.set(event.pointerId, at);
    if (this.pinching && before) this.pinch(event.pointerId, before);
    else if (this.gesture && event.pointerId === this.id) this.follow(at);
    else if (!this.pinching && event.pointerType !== "touch") this.hover(at);
  }

  follow(at) {
    const wander = Math.hypot(at.x - this.start.x, at.y - this.start.y);
    if (wander > WANDER[this.kind()]) this.wandered = true;
    if (this.wandered || this.gesture.atOnce) this.gesture.move(at);
    this.editor.repaint();
  }

  up(event) {
    const at = this.place(event);
    this.presses.delete(event.pointerId);
    if (this.presses.size === 0) this.pinching = false;
    if (!this.gesture || event.pointerId !== this.id) return;
    this.follow(at);
    const { gesture } = this;
    this.cancel();
    gesture.end(at, !this.wandered);
    this.hover(event.pointerType === "touch" ? null : at);
  }

  lost(event) {
    this.presses.delete(event.pointerId);
    if (this.presses.size === 0) this.pinching = false;
    if (event.pointerId === this.id) this.cancel();
  }

  // Ends what was begun; nothing of it stays.
  cancel() {
    this.gesture = null;
    Object.assign(this.editor, { draft: null, close: null, aim: null });
    this.editor.repaint();
  }

  panning(start) {
    let last = start;
    this.canvas.style.cursor = "grabbing";
    return {
      atOnce: true,
      move: (at) => {
        this.view.pan(at.x - last.x, at.y - last.y);
        last = at;
        this.editor.repaint("picture");
      },
      end: () => {},
    };
  }

  drawing(start) {
    const { editor, view } = this;
    const first = view.toPicture(start);
    const box = (at) => around([first, view.toPicture(at)], view.picture);
    this.lookClosely(start, start);
    return {
      move: (at) => {
        editor.draft = { index: -1, box: box(at) };
        this.lookClosely(at, start);
      },
      end: (at, click) => (click || !isBox(box(at)) ? this.click(start) : editor.add(box(at))),
    };
  }

  pointing(start) {
    this.lookClosely(start, start);
    return {
      atOnce: true,
      move: (at) => this.lookClosely(at, start),
      end: (at) => this.editor.addPoint(this.view.toPicture(at)),
    };
  }

  moving(start) {
    const { editor, view } = this;
    const index = editor.selected;
    const row = editor.selectedRow();
    const box = (at) => moved(row, (at.x - start.x) / view.scale, (at.y - start.y) / view.scale, view.picture);
    return {
      move: (at) => (editor.draft = { index, box: box(at) }),
      end: (at, click) => (click ? this.click(start) : editor.replace(index, box(at))),
    };
  }

  resizing(side, start) {
    const { editor, view } = this;
    const index = editor.selected;
    const row = editor.selectedRow();
    const edge = view.toStage({
      x: side.x < 0 ? row.left : row.left + row.width,
      y: side.y < 0 ? row.top : row.top + row.height,
    });
    let box = row;
    return {
      move: (at) => {
        const by = { x: (at.x - start.x) / view.scale, y: (at.y - start.y) / view.scale };
        const pulled = resized(row, side, by.x, by.y, view.picture);
        if (isBox(pulled)) box = pulled;
        editor.draft = { index, box };
        const corner = { x: side.x ? edge.x - start.x + at.x : at.x, y: side.y ? edge.y - start.y + at.y : at.y };
        this.lookClosely(corner, { x: corner.x - side.x, y: corner.y - side.y });
        editor.aim = null;
      },
      end: (at, click) => (click ? this.click(start) : editor.replace(index, box)),
    };
  }

  click(at) {
    if (this.editor.extreme) this.editor.addPoint(this.view.toPicture(at));
    else this.editor.selectUnder(this.view.toPicture(at));
  }

  // Where the magnifier looks, and on which side of the pointer it is: away from what is being drawn.
  lookClosely(at, from) {
    const { x, y } = this.view.toPicture(at);
    const { width, height } = this.view.picture;
    const place = { x: Math.min(Math.max(x, 0), width), y: Math.min(Math.max(y, 0), height) };
    const beside = { x: at.x < from.x ? -1 : 1, y: at.y < from.y ? -1 : 1 };
    this.editor.close = { at: place, away: this.editor.touch ? null : beside };
    this.editor.aim = place;
    this.editor.repaint();
  }

  // Two fingers zoom and pan: what was under them stays under them.
  pinch(id, before) {
    const [first, second] = [...this.presses.keys()];
    if (second === undefined || (id !== first && id !== second)) return;
    const other = this.presses.get(id === first ? second : first);
    const now = this.presses.get(id);
    const middle = (at) => ({ x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 });
    const apart = (at) => Math.max(Math.hypot(at.x - other.x, at.y - other.y), 1);
    this.view.pan(middle(now).x - middle(before).x, middle(now).y - middle(before).y);
    this.view.zoom(apart(now) / apart(before), middle(now));
    this.editor.repaint("picture");
  }

  wheel(event) {
    if (!this.editor.picture) return;
    event.preventDefault();
    const delta = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1);
    const at = this.place(event);
    this.view.zoom(Math.exp(-delta * (event.ctrlKey ? 0.01 : 0.0016)), at); // a trackpad's pinch comes with Ctrl
    if (this.gesture) this.follow(at);
    this.editor.repaint("picture");
  }

  holdSpace(held) {
    if (this.spaceHeld === held) return;
    this.spaceHeld = held;
    if (!this.gesture) this.canvas.style.cursor = held ? "grab" : "crosshair";
  }

  // The mouse moves and nothing is pressed; null: it left the stage.
  hover(at) {
    const { editor } = this;
    if (!editor.picture || editor.cursor) return;
    const begun = editor.points.length > 0;
    const side = at && !begun && this.sideAt(at);
    const move = at && !begun && !side && this.insideSelected(at);
    editor.hovered = at && !editor.extreme ? (editor.under(this.view.toPicture(at))[0] ?? -1) : -1;
    editor.aim = at && !side && !move && !this.spaceHeld ? this.inPicture(at) : null;
    this.canvas.style.cursor = this.spaceHeld ? "grab" : side ? cursorOf(side) : move ? "move" : "crosshair";
    editor.close = null;
    if (at && begun) this.lookClosely(at, this.view.toStage(editor.points.at(-1)));
    editor.repaint();
  }

  inPicture(at) {
    const { x, y } = this.view.toPicture(at);
    const { width, height } = this.view.picture;
    return x >= 0 && y >= 0 && x <= width && y <= height ? { x, y } : null;
  }
}

function cursorOf({ x, y }) {
  if (x === 0) return "ns-resize";
  if (y === 0) return "ew-resize";
  return x === y ? "nwse-resize" : "nesw-resize";
}
