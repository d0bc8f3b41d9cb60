// Paints the picture, the boxes and what helps to draw them, each on a canvas of its own.

import { colourOf } from "./class_list.js";

const INK = "#111418";
const PAPER = "#ffffff";
const SHADE = "rgb(0 0 0 / 0.6)"; // round light lines, so that they are seen on light pictures
const FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif';
const FONT = `600 13px ${FONTS}`;
const SMALL_FONT = `600 11px ${FONTS}`;
const TAG = { height: 20, padding: 6, longest: 220 };
const PIXELATED = 3; // from so many stage pixels for one of the picture on, its pixels are shown as squares
const CROWD = 40; // with more boxes than this, a name that does not fit its box is written as a number
const HANDLE = { mouse: 9, touch: 15 };
const LENS = { radius: 72, scale: 4, distance: 30, margin: 8 };
const RIGHT_TO_LEFT = /^[^\p{L}]*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

// Fits the canvas to the stage and the screen's pixels; what is painted then is in stage coordinates.
function prepared(canvas, { width, height }) {
  const ratio = window.devicePixelRatio;
  const size = { width: Math.round(width * ratio), height: Math.round(height * ratio) };
  if (canvas.width !== size.width || canvas.height !== size.height) Object.assign(canvas, size);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

export function paintPicture(canvas, picture, view) {
  const context = prepared(canvas, view.stage);
  drawPicture(context, picture, view, { x: 0, y: 0, ...view.stage });
}

// Draws what of the picture lies in `part` of the stage. The image may be smaller than the picture it stands for.
function drawPicture(context, image, view, part) {
  const { width, height } = view.picture;
  const start = view.toPicture(part);
  const end = view.toPicture({ x: part.x + part.width, y: part.y + part.height });
  const left = Math.max(Math.floor(start.x), 0);
  const top = Math.max(Math.floor(start.y), 0);
  const right = Math.min(Math.ceil(end.x), width);
  const bottom = Math.min(Math.ceil(end.y), height);
  if (right <= left || bottom <= top) return;
  const across = image.naturalWidth / width;
  const down = image.naturalHeight / height;
  const to = view.rectangle({ left, top, width: right - left, height: bottom - top });
  context.imageSmoothingEnabled = view.scale / across < PIXELATED;
  context.imageSmoothingQuality = "medium";
  const from = [left * across, top * down, (right - left) * across, (bottom - top) * down];
  context.drawImage(image, ...from, to.left, to.top, to.width, to.height);
}

// scene: {view, boxes: [{...row, place}], selected, hovered (places in boxes), draft (the box being drawn or changed),
// touch, points, aim (where the crosshair is, or null), lens ({at, away, image, filter} or null)}
export function paintBoxes(canvas, scene) {
  const context = prepared(canvas, scene.view.stage);
  const outlines = scene.boxes.map((box) => ({ ...box, ...sharp(scene.view.rectangle(box)) }));
  const seen = outlines.filter((outline) => onStage(outline, scene.view.stage));
  const selected = outlines[scene.selected];
  const hovered = outlines[scene.hovered];
  const others = seen.filter((outline) => outline !== selected);
  if (selected && !scene.draft) fill(context, selected); // while it is drawn, the picture under it matters most
  outline(context, others, 2);
  if (others.includes(hovered)) outline(context, [hovered], 3);
  others.forEach((box) => tag(context, box, scene, { whole: box === hovered, distance: 0 }));
  if (selected) {
    const size = scene.touch ? HANDLE.touch : HANDLE.mouse;
    outline(context, [selected], 3);
    tag(context, selected, scene, { whole: true, distance: selected.height < 3 * size ? size + 2 : size / 2 + 2 });
    if (!scene.draft) handles(context, selected, size);
  }
  if (scene.aim) crosshair(context, scene.view.toStage(scene.aim), scene.view.stage);
  points(context, scene.points.map((point) => scene.view.toStage(point)));
  if (scene.lens) lens(context, scene);
}

// Lines between the screen's pixels would be blurred.
function sharp({ left, top, width, height }) {
  const x = Math.round(left);
  const y = Math.round(top);
  return { left: x, top: y, width: Math.round(left + width) - x, height: Math.round(top + height) - y };
}

function onStage({ left, top, width, height }, stage) {
  const across = left < stage.width && left + width > -TAG.longest;
  return across && top - TAG.height < stage.height && top + height > -TAG.height;
}

function fill(context, { place, left, top, width, height }) {
  context.globalAlpha = 0.14;
  context.fillStyle = colourOf(place);
  context.fillRect(left, top, width, height);
  context.globalAlpha = 1;
}

// A path for each class and not for each box: hundreds of boxes are painted in one go.
function outline(context, boxes, width) {
  const paths = new Map();
  const all = new Path2D();
  for (const box of boxes) {
    if (!paths.has(box.place)) paths.set(box.place, new Path2D());
    for (const path of [all, paths.get(box.place)]) path.rect(box.left, box.top, box.width, box.height);
  }
  line(context, all, SHADE, width + 2);
  for (const [place, path] of paths) line(context, path, colourOf(place), width);
}

function line(context, path, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}

const widths = new Map();

function widthOf(context, text) {
  if (!widths.has(text)) widths.set(text, context.measureText(text).width);
  return widths.get(text);
}

// What a tag of at most `room` pixels says, shortened where it must be; "" where there is no room.
function shortened(context, name, room) {
  if (widthOf(context, name) <= room) return name;
  const letters = [...name].slice(0, room); // hardly a letter is narrower than a pixel
  let length = letters.length;
  while (length > 0 && context.measureText(letters.slice(0, length).join("") + "…").width > room) length--;
  return length > 0 ? letters.slice(0, length).join("") + "…" : "";
}

// The class's name at the box: colours alone would not tell the classes apart. whole: even where there is no room for
// it; distance: from the box, where handles are.
function tag(context, box, { view, boxes }, { whole, distance }) {
  context.font = FONT;
  if (boxes.length > CROWD && !whole && widthOf(context, box.class) + 2 * TAG.padding > box.width) {
    number(context, box);
    return;
  }
  const text = shortened(context, box.class, TAG.longest);
  const width = Math.ceil(widthOf(context, text)) + 2 * TAG.padding;
  const left = Math.max(Math.min(box.left - 1, view.stage.width - width), Math.min(box.left, 0));
  const above = Math.round(box.top - TAG.height - distance);
  const top = above >= 0 ? above : Math.max(Math.round(box.top + distance), 0);
  context.fillStyle = colourOf(box.place);
  context.fillRect(left, top, width, TAG.height);
  context.fillStyle = INK;
  context.direction = RIGHT_TO_LEFT.test(text) ? "rtl" : "ltr";
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, left + TAG.padding, top + TAG.height / 2 + 0.5);
}

// In a crowd of small boxes, names would hide the picture: the class's number in the box is enough to tell them apart.
function number(context, { place, left, top, width, height }) {
  if (width < 16 || height < 14) return;
  context.font = SMALL_FONT;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.strokeStyle = INK;
  context.fillStyle = colourOf(place);
  const at = [String(place + 1), left + width / 2, top + height / 2 + 0.5];
  context.strokeText(...at);
  context.fillText(...at);
}

function handles(context, { left, top, width, height }, size) {
  context.strokeStyle = INK;
  context.fillStyle = PAPER;
  context.lineWidth = 1.5;
  const small = { x: width < 3 * size, y: height < 3 * size }; // then handles are at the corners only, and outside
  const outer = { x: small.x ? size / 2 : 0, y: small.y ? size / 2 : 0 };
  for (const across of [0, 0.5, 1]) {
    for (const down of [0, 0.5, 1]) {
      if (across === 0.5 && (down === 0.5 || small.x)) continue;
      if (down === 0.5 && small.y) continue;
      const x = left - outer.x + across * (width + 2 * outer.x);
      const y = top - outer.y + down * (height + 2 * outer.y);
      context.beginPath();
      context.rect(x - size / 2, y - size / 2, size, size);
      context.fill();
      context.stroke();
    }
  }
}

function crosshair(context, { x, y }, { width, height }) {
  const path = new Path2D();
  const across = Math.floor(x) + 0.5;
  const down = Math.floor(y) + 0.5;
  path.moveTo(across, 0);
  path.lineTo(across, height);
  path.moveTo(0, down);
  path.lineTo(width, down);
  line(context, path, "rgb(0 0 0 / 0.45)", 3);
  line(context, path, PAPER, 1);
}

function points(context, places) {
  context.lineWidth = 2;
  context.strokeStyle = INK;
  context.fillStyle = PAPER;
  for (const { x, y } of places) {
    context.beginPath();
    context.arc(x, y, 5, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
}

// The picture's own pixels round the pointer, beside it.
function lens(context, { view, boxes, lens: { at, away, image, filter } }) {
  const centre = lensCentre(view.toStage(at), away, view.stage);
  const close = Object.create(view, {
    scale: { value: LENS.scale },
    left: { value: centre.x - at.x * LENS.scale },
    top: { value: centre.y - at.y * LENS.scale },
  });
  const { radius } = LENS;
  context.save();
  context.beginPath();
  context.arc(centre.x, centre.y, radius, 0, 2 * Math.PI);
  context.fillStyle = "#3a4048";
  context.fill();
  context.clip();
  context.filter = filter;
  const part = { x: centre.x - radius, y: centre.y - radius, width: 2 * radius, height: 2 * radius };
  drawPicture(context, image, close, part);
  context.filter = "none";
  outline(context, boxes.map((box) => ({ ...box, ...close.rectangle(box) })), 1);
  context.restore();
  ring(context, centre, radius);
}

function ring(context, { x, y }, radius) {
  const sight = new Path2D();
  sight.moveTo(x - 10, y);
  sight.lineTo(x + 10, y);
  sight.moveTo(x, y - 10);
  sight.lineTo(x, y + 10);
  line(context, sight, INK, 3);
  line(context, sight, PAPER, 1);
  const edge = new Path2D();
  edge.arc(x, y, radius, 0, 2 * Math.PI);
  line(context, edge, INK, 4);
  line(context, edge, PAPER, 2);
}

// Beside the pointer on the side that `away` names, or on the other side where the stage ends. For a finger, away is
// null: the magnifier is in the upper corner of the other side, where neither the hand nor the box is.
function lensCentre(point, away, stage) {
  const corner = LENS.radius + LENS.margin;
  if (!away) return { x: point.x < stage.width / 2 ? stage.width - corner : corner, y: corner };
  const distance = LENS.radius + LENS.distance;
  const beside = (at, direction, size) => {
    const place = at + direction * distance;
    return place < LENS.radius || place > size - LENS.radius ? at - direction * distance : place;
  };
  const centre = { x: beside(point.x, away.x, stage.width), y: beside(point.y, away.y, stage.height) };
  const kept = (at, size) => Math.min(Math.max(at, LENS.radius), Math.max(size - LENS.radius, LENS.radius));
  return { x: kept(centre.x, stage.width), y: kept(centre.y, stage.height) };
}
