// Where the picture lies on the stage: zoom, pan, and coordinates from the one to the other.
// Stage coordinates are CSS pixels from the stage's top left corner; picture coordinates are pixels of the picture.

const MARGIN = 12; // free space around a picture that fits, so that its edges can be grabbed from outside
const LARGEST = 64; // stage pixels for one pixel of the picture
const SMALLEST = 0.5; // of the scale at which the picture fits

export class View {
  stage = { width: 1, height: 1 };
  picture = { width: 1, height: 1 };
  scale = 1; // stage pixels for one pixel of the picture
  left = 0; // where the picture's top left corner is on the stage
  top = 0;
  fitted = true;

  setPicture(width, height) {
    this.picture = { width, height };
    this.fit();
  }

  // A picture that fits goes on to fit; in any other view, what was in the middle stays there.
  setStage(width, height) {
    const middle = this.toPicture(this.middle());
    this.stage = { width, height };
    if (this.fitted) this.fit();
    else this.place(this.scale, this.middle(), middle);
  }

  middle() {
    return { x: this.stage.width / 2, y: this.stage.height / 2 };
  }

  fittingScale() {
    const { width, height } = this.stage;
    const room = (size) => Math.max(size - 2 * MARGIN, size / 2, 1);
    return Math.min(room(width) / this.picture.width, room(height) / this.picture.height);
  }

  fit() {
    const { width, height } = this.picture;
    this.place(this.fittingScale(), this.middle(), { x: width / 2, y: height / 2 });
    this.fitted = true;
  }

  // Zooms so that what is under `point` of the stage stays under it.
  zoom(factor, point) {
    const fitting = this.fittingScale();
    const scale = Math.min(Math.max(this.scale * factor, fitting * SMALLEST), Math.max(LARGEST, fitting));
    this.place(scale, point, this.toPicture(point));
    this.fitted = false;
  }

  pan(dx, dy) {
    this.move(this.left + dx, this.top + dy);
    this.fitted = false;
  }

  // Pans no further than it takes to have the place in view.
  reveal(place) {
    const edge = Math.min(40, this.stage.width / 4, this.stage.height / 4);
    const { x, y } = this.toStage(place);
    const into = (at, size) => Math.min(Math.max(at, edge), size - edge) - at;
    const dx = into(x, this.stage.width);
    const dy = into(y, this.stage.height);
    if (!this.fitted && (dx || dy)) this.pan(dx, dy);
  }

  // `place` of the picture comes to lie under `point` of the stage.
  place(scale, point, place) {
    this.scale = scale;
    this.move(point.x - place.x * scale, point.y - place.y * scale);
  }

  // The middle of the stage always shows some of the picture, so that nobody loses it.
  move(left, top) {
    const middle = this.middle();
    this.left = Math.min(Math.max(left, middle.x - this.picture.width * this.scale), middle.x);
    this.top = Math.min(Math.max(top, middle.y - this.picture.height * this.scale), middle.y);
  }

  toPicture({ x, y }) {
    return { x: (x - this.left) / this.scale, y: (y - this.top) / this.scale };
  }

  toStage({ x, y }) {
    return { x: this.left + x * this.scale, y: this.top + y * this.scale };
  }

  // A box of the picture, on the stage.
  rectangle(box) {
    const { x, y } = this.toStage({ x: box.left, y: box.top });
    return { left: x, top: y, width: box.width * this.scale, height: box.height * this.scale };
  }
}
