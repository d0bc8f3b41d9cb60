// Boxes as {left, top, width, height} in pixels of the picture. Every box that comes from here lies in the picture.

const STEP = 1 / 64; // sums of such numbers are exact, so a box at the picture's edge ends exactly there

const within = (value, least, most) => Math.min(Math.max(value, least), most);
const stepped = (value) => Math.round(value / STEP) * STEP;

// The smallest box around the points, as far as it is in the picture.
export function around(points, picture) {
  const xs = points.map(({ x }) => stepped(within(x, 0, picture.width)));
  const ys = points.map(({ y }) => stepped(within(y, 0, picture.height)));
  const left = Math.min(...xs);
  const top = Math.min(...ys);
  return { left, top, width: Math.max(...xs) - left, height: Math.max(...ys) - top };
}

// Less than a pixel in either direction is no box.
export const isBox = ({ width, height }) => width >= 1 && height >= 1;

const corners = ({ left, top, width, height }) => [
  { x: left, y: top },
  { x: left + width, y: top + height },
];

// What of the box is in the picture. A box that is all in the picture is left as it is, to the last digit.
export function clipped(box, picture) {
  const inside = box.left >= 0 && box.top >= 0;
  if (inside && box.left + box.width <= picture.width && box.top + box.height <= picture.height) return box;
  return around(corners(box), picture);
}

export function moved(box, dx, dy, picture) {
  const left = within(box.left + dx, 0, picture.width - box.width);
  const top = within(box.top + dy, 0, picture.height - box.height);
  return around(corners({ ...box, left, top }), picture);
}

// side: {x: -1 | 0 | 1, y: -1 | 0 | 1}, the edges that move. A pulled edge may go past the one that stays.
export function resized(box, side, dx, dy, picture) {
  const [start, end] = corners(box);
  if (side.x) (side.x < 0 ? start : end).x += dx;
  if (side.y) (side.y < 0 ? start : end).y += dy;
  return around([start, end], picture);
}

export function contains(box, { x, y }, slack = 0) {
  const { left, top, width, height } = box;
  return x >= left - slack && x <= left + width + slack && y >= top - slack && y <= top + height + slack;
}

// Which side of the rectangle a press at the point pulls; null inside and outside. `reach` is how far from the edge
// a press counts: all of it outside, and inside never more than a quarter of the rectangle, so that a small one can
// still be moved.
export function sideAt({ left, top, width, height }, { x, y }, reach) {
  const along = (at, start, size) => {
    const inner = Math.min(reach, size / 4);
    if (at < start - reach || at > start + size + reach) return null;
    if (at <= start + inner) return -1;
    return at >= start + size - inner ? 1 : 0;
  };
  const side = { x: along(x, left, width), y: along(y, top, height) };
  return side.x === null || side.y === null || (side.x === 0 && side.y === 0) ? null : side;
}
