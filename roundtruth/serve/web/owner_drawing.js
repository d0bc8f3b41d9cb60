// A picture with the boxes of one answer on it, at any size.

import { colourOf } from "./class_list.js";
import { paintBoxes } from "./paint.js";
import { make } from "./parts.js";
import { View } from "./view.js";

export class Drawing {
  constructor() {
    this.image = make("img", { loading: "lazy", decoding: "async", alt: "" });
    this.canvas = make("canvas", { ariaHidden: "true" });
    this.element = make("span", { className: "drawing" }, this.image, this.canvas);
    this.image.addEventListener("load", () => this.fit());
    new ResizeObserver(() => this.paint()).observe(this.element);
  }

  // rows: of the label; those without a box are not drawn. Where nothing is drawn, the size need not be known.
  show({ picture, width, height }, rows, classes, alt) {
    if (this.image.getAttribute("src") !== picture) this.image.src = picture;
    this.image.alt = alt;
    const boxes = rows.filter((row) => "left" in row).map((row) => ({ ...row, place: classes.indexOf(row.class) }));
    const shown = JSON.stringify([boxes, width, height]);
    if (this.shown === shown) return;
    Object.assign(this, { shown, boxes, size: width ? { width, height } : null });
    this.fit();
    this.paint();
  }

  fit() {
    const { naturalWidth, naturalHeight } = this.image;
    const { width, height } = this.size ?? { width: naturalWidth, height: naturalHeight };
    if (width) this.element.style.setProperty("--ratio", width / height);
  }

  paint() {
    const stage = { width: this.element.clientWidth, height: this.element.clientHeight };
    if (!stage.width || !this.size) return;
    const view = new View();
    view.stage = stage;
    view.picture = this.size;
    view.place(stage.width / this.size.width, { x: 0, y: 0 }, { x: 0, y: 0 });
    paintBoxes(this.canvas, { view, boxes: this.boxes, points: [] });
  }
}

export function swatch(place) {
  const element = make("span", { className: "swatch", ariaHidden: "true" });
  element.style.background = colourOf(place);
  return element;
}
