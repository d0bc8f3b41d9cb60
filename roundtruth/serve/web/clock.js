// Counts the seconds in which a person works: the page is visible and has the focus, and there was an input a short
// time ago.

const STILL_WORKING = 20_000; // milliseconds after an input
const INPUTS = ["pointerdown", "pointermove", "keydown", "wheel", "touchmove"];

export class Clock {
  milliseconds = 0;
  counted = performance.now(); // up to here
  lastInput = -Infinity;
  watched = false;

  constructor() {
    for (const name of INPUTS) addEventListener(name, () => this.input(), { capture: true, passive: true });
    for (const name of ["focus", "blur"]) addEventListener(name, () => this.count());
    document.addEventListener("visibilitychange", () => this.count());
    this.count();
  }

  input() {
    this.count();
    this.lastInput = performance.now();
  }

  count() {
    const now = performance.now();
    const until = Math.min(now, this.lastInput + STILL_WORKING);
    if (this.watched && until > this.counted) this.milliseconds += until - this.counted;
    this.counted = now;
    this.watched = document.visibilityState === "visible" && document.hasFocus();
  }

  seconds() {
    this.count();
    return Math.round(this.milliseconds / 100) / 10;
  }

  // Begins anew, with what was counted before a reload.
  start(seconds = 0) {
    this.count();
    this.milliseconds = seconds * 1000;
  }
}
