// The dialogs of the owner's page. They stay open while the page is refreshed.

import { part, setText } from "./parts.js";
import { named } from "./owner_words.js";
import { Drawing } from "./owner_drawing.js";
import { Unreached } from "./server.js";

export function sentenceOf(error) {
  if (error.message) return error.message;
  return error instanceof Unreached ? "The server cannot be reached. Try again." : "This link is not valid any more.";
}

export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}

// Asks before something is done, does it, and says why the server refuses it.
export class Question {
  constructor() {
    this.dialog = part("question");
    this.verb = part("question-verb");
    this.comment = part("comment");
    part("question-form").addEventListener("submit", (event) => this.submit(event));
    part("question-cancel").addEventListener("click", () => this.dialog.close());
    this.comment.addEventListener("keydown", (event) => this.enter(event));
  }

  // act(comment): what is done; comment: whether the person is to write one.
  open({ title, text, verb, comment = false, act }) {
    this.act = act;
    setText(part("question-title"), title);
    setText(part("question-text"), text);
    setText(part("question-error"), "");
    setText(this.verb, verb);
    this.verb.classList.toggle("danger", !comment);
    part("question-comment").hidden = !comment;
    Object.assign(this.comment, { value: "", required: comment });
    this.busy(false);
    this.dialog.showModal();
  }

  busy(busy) {
    this.verb.setAttribute("aria-disabled", String(busy));
  }

  async submit(event) {
    event.preventDefault();
    if (this.verb.getAttribute("aria-disabled") === "true") return;
    if (this.comment.required && !this.comment.value.trim()) {
      setText(part("question-error"), "Write what is to be done differently.");
      return;
    }
    const { act } = this;
    this.busy(true);
    try {
      await act(this.comment.value.trim());
      if (this.act === act) this.dialog.close();
    } catch (error) {
      if (this.act === act) setText(part("question-error"), sentenceOf(error));
    }
    if (this.act === act) this.busy(false);
  }

  enter(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    part("question-form").requestSubmit();
  }
}

// Shows a person's link, to be copied.
export class LinkDialog {
  constructor() {
    this.dialog = part("link");
    this.address = part("link-address");
    part("link-close").addEventListener("click", () => this.dialog.close());
    part("link-copy").addEventListener("click", () => this.copy());
    this.address.addEventListener("focus", () => this.address.select());
  }

  open(worker, url) {
    setText(part("link-title"), `The link of ${named(worker)}`);
    setText(part("link-said"), "");
    this.address.value = url;
    this.dialog.showModal();
    this.address.select();
  }

  async copy() {
    this.address.focus();
    const copied = await copyText(this.address.value);
    setText(part("link-said"), copied ? "Copied." : "This browser does not copy it. Press Ctrl+C.");
  }
}

// Without HTTPS, browsers have only the old way: it copies what is selected.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return document.activeElement?.value === text && document.execCommand("copy");
  }
}

// An answer as large as the window allows.
export class Enlarged {
  constructor() {
    this.dialog = part("large");
    this.drawing = new Drawing();
    part("large-picture").append(this.drawing.element);
    part("large-close").addEventListener("click", () => this.dialog.close());
  }

  open(title, item, rows, classes) {
    setText(part("large-title"), title);
    this.drawing.show(item, rows, classes, title);
    this.dialog.showModal();
  }
}
