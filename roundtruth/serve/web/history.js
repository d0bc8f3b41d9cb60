// The states of a label: the one now, those that undo goes back to, and those that redo goes on to.
export class History {
  past = [];
  future = [];

  constructor(now) {
    this.now = now;
  }

  // merge: the change goes on with the last one, for instance while an arrow key is held down; undo takes both back.
  add(state, merge) {
    if (!merge || this.past.length === 0) this.past.push(this.now);
    this.now = state;
    this.future = [];
  }

  undo() {
    this.future.push(this.now);
    this.now = this.past.pop();
  }

  redo() {
    this.past.push(this.now);
    this.now = this.future.pop();
  }
}
