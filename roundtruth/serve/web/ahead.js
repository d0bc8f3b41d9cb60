// The items in hand: the one on the screen, and the next one, whose picture is loaded and decoded ahead.

import { ask, LinkEnded, NotTaken, Pauses, Unreached } from "./server.js";

const IN_HAND = 2;
const MOST_NAMED = 10; // items of which the server is told that they are here

export class Ahead {
  items = [];
  state = "open"; // of the job, as the server said last
  taken = null; // items that were new in the server's answer, or null while it is asked
  asking = false;
  wanted = false;
  unreached = false;
  linkEnded = false;
  confirmations = 0; // answers that the server has confirmed
  waiting = new Pauses(15);
  trouble = new Pauses(30);

  // unsent(): the numbers of items that are answered, but not confirmed yet. told(said): the server said something.
  // changed(): there is another item, or another state.
  constructor({ unsent, told, changed }) {
    Object.assign(this, { unsent, told, changed });
  }

  get current() {
    return this.items[0];
  }

  // Whether the server has nothing new to do, as far as it knows what was done here.
  get nothing() {
    return this.taken === 0 && !this.wanted;
  }

  goOn() {
    this.items.shift().dropped = true;
    if (!this.current) this.fill(); // otherwise the server is asked when it has the answer
  }

  // The server has confirmed an answer. What it says to a question asked before that is out of date.
  confirmed() {
    this.confirmations += 1;
    this.fill();
  }

  // Gives up the items that nobody has seen yet; the server says anew which there are.
  dropNext() {
    for (const item of this.items.splice(1)) item.dropped = true;
    this.fill();
  }

  // Asks for items until there are enough. Asks again and again while there is nothing to do.
  async fill() {
    this.wanted = true; // whoever calls has news for the server: it may give more now
    this.waiting.end();
    if (this.asking) return;
    this.asking = true;
    while ((this.items.length < IN_HAND || this.state === "paused") && !this.linkEnded) {
      this.wanted = false;
      const answered = await this.next();
      if (!answered || this.taken || this.wanted) continue;
      if (this.state === "done" || (this.state !== "paused" && this.current)) break;
      await this.waiting.next();
    }
    this.asking = false;
  }

  // True if the server answered.
  async next() {
    this.taken = null;
    const { confirmations } = this;
    try {
      const said = await ask("next", { have: this.known().slice(0, MOST_NAMED) });
      this.unreached = false;
      this.trouble.reset();
      this.take(said);
      if (this.confirmations === confirmations) this.told(said);
      this.changed();
      return true;
    } catch (error) {
      await this.failed(error);
      return false;
    }
  }

  known() {
    return [...this.items.map(({ item }) => item), ...this.unsent()];
  }

  take(said) {
    const known = this.known();
    const fresh = said.items.filter(({ item }) => !known.includes(item));
    this.taken = fresh.length;
    if (fresh.length) this.waiting.reset();
    this.items.push(...fresh.map((item) => withPicture(item, this.changed)));
  }

  async failed(error) {
    if (error instanceof LinkEnded) this.linkEnded = true;
    else if (error instanceof Unreached || error instanceof NotTaken) this.unreached = true;
    else throw error;
    this.changed();
    if (this.unreached) await this.trouble.next();
  }
}

// The item with `image`, once its picture is there. It is tried for as long as somebody wants it.
export function withPicture(item, changed) {
  const made = { image: null, ...item, seconds: 0, failed: false, dropped: false };
  load(made, changed);
  return made;
}

async function load(item, changed) {
  const pauses = new Pauses(30);
  while (!item.image && !item.dropped) {
    const image = new Image();
    image.src = item.picture;
    try {
      await image.decode();
      Object.assign(item, { image, failed: false });
    } catch {
      item.failed = true;
      changed();
      await pauses.next();
    }
  }
  changed();
}
