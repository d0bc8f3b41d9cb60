// Answers and unfinished drawings, kept in the browser until the server has confirmed them.
// Each has a key of its own in localStorage, so two tabs of one person never overwrite each other's.

import { ask, LinkEnded, NotTaken, Pauses, Unreached } from "./server.js";

const MOST_DRAFTS = 20; // drawings that nobody finished are forgotten, the oldest first

// localStorage below a prefix. What the browser will not keep stays in memory.
class Store {
  failed = false; // the browser would not keep something
  memory = new Map();

  constructor(prefix) {
    this.prefix = prefix;
  }

  keys() {
    const keys = new Set(this.memory.keys());
    try {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(this.prefix)) keys.add(key.slice(this.prefix.length));
      }
    } catch {
      this.failed = true;
    }
    return [...keys];
  }

  get(key) {
    if (this.memory.has(key)) return this.memory.get(key);
    try {
      return JSON.parse(localStorage.getItem(this.prefix + key));
    } catch {
      return null;
    }
  }

  set(key, value) {
    try {
      localStorage.setItem(this.prefix + key, JSON.stringify(value));
      this.memory.delete(key);
    } catch {
      this.failed = true;
      this.memory.set(key, value);
    }
  }

  delete(key) {
    this.memory.delete(key);
    try {
      localStorage.removeItem(this.prefix + key);
    } catch {
      this.failed = true;
    }
  }

  // What is stored below `prefix`, by its time.
  all(prefix) {
    const found = this.keys().filter((key) => key.startsWith(prefix)).map((key) => this.get(key));
    return found.filter(Boolean).sort((one, other) => one.at - other.at);
  }
}

function nonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Outbox {
  pauses = new Pauses(30);
  sending = false;
  failures = 0; // tries without an answer, one after the other
  linkEnded = false;

  // place: what these answers belong to. on: {changed(), confirmed(entry, said), dropped(entry, why), refused(entry)}
  constructor(place, on) {
    this.name = `roundtruth:${place}:`;
    this.store = new Store(this.name);
    this.on = on;
    addEventListener("online", () => this.send());
    addEventListener("storage", ({ key }) => {
      if (key?.startsWith(this.name)) on.changed();
    });
    addEventListener("beforeunload", (event) => {
      if (this.entries().length) event.preventDefault();
    });
  }

  get keepsNothing() {
    return this.store.failed;
  }

  // Answers that the server has not confirmed, the oldest first. One with `refused` waits until the person changes it.
  entries() {
    return this.store.all("answer:");
  }

  unsent() {
    return this.entries().filter((entry) => !entry.refused);
  }

  refused() {
    return this.entries().filter((entry) => entry.refused);
  }

  // answer: {item, label, nothing, reason, seconds}; item: what it takes to show it again.
  put(answer, item) {
    const entries = this.entries();
    for (const old of entries) {
      if (old.refused && old.answer.item === answer.item) this.forget(old);
    }
    const at = Math.max(Date.now(), (entries.at(-1)?.at ?? 0) + 1); // a clock that is put back changes no order
    const entry = { at, answer: { nonce: nonce(), ...answer }, item, refused: "" };
    this.store.set(`answer:${entry.answer.nonce}`, entry);
    this.on.changed();
    this.send();
  }

  forget(entry) {
    this.store.delete(`answer:${entry.answer.nonce}`);
  }

  // Sends what is there, one after the other, for as long as it takes.
  async send() {
    if (this.sending || this.linkEnded) return;
    this.sending = true;
    try {
      while (this.unsent().length && !this.linkEnded) {
        if (await alone(this.name, () => this.sendFirst())) continue;
        if (!this.linkEnded) await this.pauses.next();
      }
    } finally {
      this.sending = false;
    }
  }

  // True unless it has to be tried again.
  async sendFirst() {
    const [entry] = this.unsent();
    if (!entry) return true; // another tab has sent it
    const [said, error] = await ask("answers", entry.answer).then((said) => [said], (error) => [null, error]);
    if (error instanceof Unreached || error instanceof LinkEnded) return this.notSent(error);
    this.pauses.reset();
    this.failures = 0;
    if (error) this.notTaken(entry, error);
    else this.confirmed(entry, said);
    this.on.changed();
    return true;
  }

  confirmed(entry, said) {
    this.forget(entry);
    this.on.confirmed(entry, said);
  }

  notTaken(entry, error) {
    if (!(error instanceof NotTaken)) throw error;
    if (error.status === 409) {
      this.forget(entry);
      this.on.dropped(entry, error.message);
      return;
    }
    entry.refused = error.message;
    this.store.set(`answer:${entry.answer.nonce}`, entry);
    this.on.refused(entry);
  }

  notSent(error) {
    this.linkEnded = error instanceof LinkEnded;
    this.failures += 1;
    this.on.changed();
    return false;
  }

  // The unfinished drawing of an item: {label, seconds}, or null.
  draft(item) {
    return this.store.get(`draft:${item}`);
  }

  keepDraft(item, label, seconds) {
    this.store.set(`draft:${item}`, { at: Date.now(), item, label, seconds });
    for (const { item } of this.store.all("draft:").slice(0, -MOST_DRAFTS)) this.dropDraft(item);
  }

  dropDraft(item) {
    this.store.delete(`draft:${item}`);
  }
}

// Two tabs never send at the same time, where the browser can tell. Where it cannot, the server knows a nonce again.
async function alone(name, work) {
  if (!navigator.locks) return work();
  return navigator.locks.request(name, work);
}
