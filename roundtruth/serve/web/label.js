// The page on which a person labels one picture after the other. What is particular to a kind of label is its editor.

import { Ahead, withPicture } from "./ahead.js";
import { Clock } from "./clock.js";
import { keyName, needsKey } from "./keys.js";
import { Outbox } from "./outbox.js";
import { counted, keyText, make, part, setText, showKeys, showNotices, Tools } from "./parts.js";
import { ask, LinkEnded, Pauses } from "./server.js";

const EDITORS = { "object-detection": "boxes", "image-classification": "classes" };
const REASONS = [
  "The picture is too dark, too blurred or too small",
  "What is asked for is hidden or cut off",
  "More than one answer is right",
  "The picture does not belong here",
  "The instructions do not say what to do",
];
const MESSAGE_SHOWN = 6_000; // milliseconds
const MOST_ANSWERED = 20; // answers that one can go back to; the server gives as many


class Page {
  job = { state: "open", mine: 0, answered: 0, asked: 0, round: 0, note: "", alone: false, exit: "", figures: "" };
  answered = []; // the person's own answers of the open batch, the newest first
  visited = null; // the earlier answer that is on the screen
  feedbacks = []; // to show, the oldest first
  training = false; // the server says of an answer whether it is right
  checked = null; // the item that stays on the screen until the server has said so
  last = null; // the item that was answered last, with its picture
  loaded = null; // the item that the editor has
  given = ""; // the label that the editor was given with it
  drawn = []; // the rows of the last picture
  dropped = []; // why answers were not kept
  clock = new Clock();
  tools = new Tools(part("tools"), part("more"), part("more-tools"));

  constructor() {
    this.outbox = new Outbox(location.pathname, {
      changed: () => this.outboxChanged(),
      confirmed: (entry, said) => this.confirmed(entry, said),
      dropped: (entry, why) => this.wasDropped(entry, why),
      refused: () => this.wasRefused(),
    });
    this.ahead = new Ahead({
      unsent: () => this.outbox.entries().map(({ answer }) => answer.item),
      told: (said) => this.told(said),
      changed: () => this.render(),
    });
    this.commands = this.makeCommands();
    this.listen();
  }

  async start() {
    const job = await this.persistently(() => ask("job"));
    if (!job) return;
    this.setUp(job, await this.persistently(() => editorOf(job.kind)));
    this.told(job);
    await this.recall();
    this.outbox.send();
    this.ahead.fill();
  }

  // Tries until it works; null if the link is not valid.
  async persistently(work) {
    const pauses = new Pauses(30);
    for (;;) {
      try {
        return await work();
      } catch (error) {
        this.ahead.linkEnded = error instanceof LinkEnded;
        this.ahead.unreached = !this.ahead.linkEnded;
        this.render();
        if (this.ahead.linkEnded) return null;
        await pauses.next();
      }
    }
  }

  setUp({ job, classes, instructions, worker, overview, alone, training }, Editor) {
    this.training = training;
    if (alone) part("doubt").textContent = "The picture gets no label.";
    part("overview").hidden = !overview;
    part("overview").href = overview;
    document.title = `${job} · roundtruth`;
    part("name").textContent = job;
    part("name").title = worker;
    for (const id of ["line", "help-line"]) part(id).textContent = instructions.line;
    this.showInstructions(instructions);
    this.manyRows = Editor.manyRows ?? true;
    part("nothing").hidden = !this.manyRows;
    this.editor = new Editor(part("editor"), {
      classes,
      changed: () => this.changed(),
      message: (text) => this.message(text),
      submit: () => this.submit(),
    });
    this.nameKeys();
    document.body.dataset.ready = "";
  }

  // The page has only the keys that the editor leaves to it.
  nameKeys() {
    const taken = this.editor.actions().flatMap(({ keys }) => keys);
    const free = (key) => !taken.includes(key) && !(this.editor.takesLetters && /^[A-Z]$/.test(key));
    for (const command of this.commands) command.keys = command.keys.filter(free);
    for (const { id, keys } of this.commands.filter(({ id }) => ["nothing", "unsure"].includes(id))) {
      part(id).querySelector("kbd").textContent = keyText(keys[0]);
      part(id).setAttribute("aria-keyshortcuts", keys.join(" "));
    }
  }

  showInstructions({ line, html }) {
    part("help-line").hidden = html !== ""; // which has the line, too
    part("help-text").innerHTML = html; // the server has made it from Markdown, without anything that runs
    for (const link of part("help-text").querySelectorAll("a")) link.target = "_blank"; // this page stays open
    const title = line || html ? "Instructions" : "Keys";
    part("help-title").textContent = title;
    part("help-button").firstChild.textContent = title;
  }

  // ---- what the server says

  told(said) {
    const round = this.job.round;
    for (const key of Object.keys(this.job)) if (key in said) this.job[key] = said[key];
    this.ahead.state = this.job.state;
    if (round && this.job.round !== round) this.recall();
  }

  // The answers to which one can go back: what the server has, and over it what it does not have yet.
  async recall() {
    const said = await ask("answers").catch(() => null);
    if (said) this.answered = said.answers;
    for (const { item, answer } of this.outbox.entries()) this.remember({ ...item, ...answer });
    if (this.drawn.length === 0) this.drawn = this.answered[0]?.label ?? [];
    this.render();
  }

  remember(answer) {
    const others = this.answered.filter(({ item }) => item !== answer.item);
    this.answered = [answer, ...others].slice(0, MOST_ANSWERED);
  }

  outboxChanged() {
    if (this.outbox.failures) this.checked = null; // the person need not wait for it
    this.render();
  }

  confirmed({ item }, said) {
    this.checked = null;
    this.training = Boolean(said.feedback);
    if (said.feedback) this.feedbacks.push(this.withPicture({ ...item, ...said.feedback }));
    this.told(said);
    this.ahead.confirmed();
  }

  wasDropped({ answer }, why) {
    this.checked = null;
    this.dropped.push(`An answer was not kept. ${why}`);
    this.answered = this.answered.filter(({ item }) => item !== answer.item);
    this.ahead.dropNext();
  }

  // The picture on the screen stays, or a key that is meant for it would answer the refused one.
  wasRefused() {
    this.checked = null;
  }

  // ---- what the person does

  get shown() {
    const current = this.job.state === "paused" ? null : this.ahead.current;
    return this.feedbacks[0] ?? this.checked ?? this.visited ?? current ?? null;
  }

  get canAnswer() {
    return Boolean(this.shown && !this.checked && !this.feedbacks.length && !this.ahead.linkEnded);
  }

  // The editor has another label, or shows it in another way.
  changed() {
    if (!this.canAnswer || this.loaded !== this.shown) return;
    const { item } = this.shown;
    const label = this.editor.label();
    if (JSON.stringify(label) === this.given) this.outbox.dropDraft(item);
    else this.outbox.keepDraft(item, label, this.clock.seconds());
    this.render();
  }

  submit() {
    if (!this.canAnswer || this.loaded !== this.shown) return;
    if (!this.editor.empty()) this.send({ label: this.editor.label(), nothing: false, reason: "" });
    else if (this.manyRows) this.message("Nothing is drawn. Choose “Nothing here” or “I cannot tell” to say so.");
    else this.message("Nothing is chosen yet.");
  }

  nothingHere() {
    if (!this.canAnswer || this.loaded !== this.shown) return;
    if (this.editor.empty()) this.send({ label: [], nothing: true, reason: "" });
    else this.message("Something is drawn here. Delete it first, or submit it.");
  }

  askWhy() {
    if (!this.canAnswer) return;
    this.doubted = this.shown;
    part("reason").value = "";
    part("unsure-dialog").showModal();
  }

  cannotTell(reason) {
    part("unsure-dialog").close();
    if (this.canAnswer && this.shown === this.doubted) this.send({ label: null, nothing: false, reason });
  }

  send(answer) {
    this.message("");
    const { item, picture, width, height } = this.shown;
    const shown = { item, picture, width, height };
    this.last = this.shown;
    if (this.training) this.checked = this.shown;
    this.outbox.put({ item, ...answer, seconds: this.clock.seconds() }, shown);
    this.outbox.dropDraft(item);
    this.remember({ ...shown, ...answer });
    if (this.visited) {
      this.look(null);
    } else {
      this.drawn = answer.label ?? [];
      this.ahead.goOn();
    }
    this.render();
  }

  // ---- back to earlier answers

  place() {
    return this.answered.findIndex(({ item }) => item === this.visited?.item);
  }

  older() {
    if (!this.feedbacks.length) this.visit(this.answered[this.place() + 1]);
  }

  newer() {
    if (!this.visited) return;
    const place = this.place();
    if (place > 0) this.visit(this.answered[place - 1]);
    else this.leave();
  }

  visitItem(item) {
    this.visit(this.answered.find((answer) => answer.item === item));
  }

  visit(answer) {
    if (!answer) return;
    this.look(this.withPicture(answer));
    this.message("");
    this.render();
  }

  look(visited) {
    if (this.visited) this.visited.dropped = true;
    this.visited = visited;
  }

  // The picture of the last answer is at hand.
  withPicture(item) {
    const image = this.last?.item === item.item ? this.last.image : null;
    return withPicture({ ...item, image }, () => this.render());
  }

  leave() {
    this.look(null);
    this.render();
  }

  understood() {
    this.feedbacks.shift();
    this.render();
  }

  // ---- keys and buttons

  makeCommands() {
    return [
      { id: "submit", name: "Submit", keys: ["Enter", "Ctrl+Enter"], run: () => this.submit() },
      { id: "nothing", name: "Nothing here", keys: ["E", "Alt+E"], run: () => this.nothingHere() },
      { id: "unsure", name: "I cannot tell", keys: ["T", "Alt+T"], run: () => this.askWhy() },
      { id: "back", name: "Back to an earlier answer", keys: ["Alt+ArrowLeft", "Ctrl+Z"], run: () => this.older() },
      { id: "newer", name: "On to a newer answer", keys: ["Alt+ArrowRight"], run: () => this.newer() },
      { id: "return", name: "Return from an earlier answer", keys: ["Escape"], run: () => this.leave() },
      { id: "help-button", name: "Instructions and keys", keys: ["?", "F1"], run: () => this.help() },
    ];
  }

  help() {
    part("help").showModal();
  }

  listen() {
    for (const { id, run } of this.commands) part(id).addEventListener("click", run);
    part("understood").addEventListener("click", () => this.understood());
    part("own-reason").addEventListener("submit", (event) => {
      event.preventDefault();
      if (part("reason").value.trim()) this.cannotTell(part("reason").value.trim());
    });
    part("reason").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      part("own-reason").requestSubmit();
    });
    part("unsure-dialog").addEventListener("keydown", (event) => this.reasonKey(event));
    part("reasons").append(...REASONS.map((reason, place) => this.reasonButton(reason, place)));
    addEventListener("keydown", (event) => this.key(event));
  }

  reasonKey(event) {
    const button = part("reasons").children[Number(keyName(event)) - 1];
    if (!button || event.target === part("reason")) return;
    event.preventDefault(); // or the key would answer the next picture too
    if (!event.repeat) button.click();
  }

  reasonButton(reason, place) {
    const inside = [make("span", { textContent: reason }), make("kbd", { textContent: place + 1 })];
    const button = make("button", { type: "button" }, ...inside);
    button.addEventListener("click", () => this.cannotTell(reason));
    return button;
  }

  key(event) {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const name = keyName(event);
    if (name === "Escape" && this.tools.open) return; // the browser closes the menu
    const command = this.commands.find(({ id, keys }) => keys.includes(name) && !part(id).hidden);
    const first = command && /^Alt\+|^Ctrl\+Enter|^F\d/.test(name); // no editor needs these, and no text field
    const used = first ? this.runOnce(command, event) : this.smallKey(event, name, command);
    if (!used) return;
    event.preventDefault();
    this.tools.close();
  }

  smallKey(event, name, command) {
    if (needsKey(event.target, name)) return false;
    if (this.feedbacks.length && name === "Enter") {
      this.understood();
      return true;
    }
    if (this.canAnswer && this.loaded === this.shown && this.editor.key(event)) return true;
    return Boolean(command) && this.runOnce(command, event);
  }

  // A key that is held down does not do it again.
  runOnce(command, event) {
    if (!event.repeat) command.run();
    return true;
  }

  // ---- what is on the screen

  message(text) {
    setText(part("message"), text);
    clearTimeout(this.fading);
    this.fading = setTimeout(() => setText(part("message"), ""), MESSAGE_SHOWN);
  }

  render() {
    this.showRefused();
    if (this.editor) this.showItem();
    if (this.shown !== this.doubted) part("unsure-dialog").close();
    const screen = this.screen();
    document.body.dataset.screen = screen.name;
    part("screen").hidden = screen.name === "picture";
    setText(part("screen-title"), screen.title ?? "");
    setText(part("screen-text"), screen.text ?? "");
    part("exit").hidden = screen.name !== "done" || !this.job.exit;
    if (this.job.exit.startsWith("https://")) part("exit").href = this.job.exit;
    this.showProgress();
    this.showVisit();
    this.showComment();
    this.showFeedback();
    this.showButtons();
    this.showStatus();
    showNotices(part("notices"), this.notices());
  }

  screen() {
    const { state, note, mine } = this.job;
    const unsent = this.outbox.entries().length;
    if (this.ahead.linkEnded || this.outbox.linkEnded) {
      const kept = unsent ? ` ${counted(unsent, "answer is", "answers are")} kept in this browser.` : "";
      return { name: "ended", title: "This link is not valid", text: `Ask for a new link.${kept}` };
    }
    if (this.shown) return this.shown === this.loaded ? { name: "picture" } : this.loadingScreen();
    const text = `${note} This page goes on by itself.`;
    const screens = {
      paused: { name: "paused", title: "Paused", text },
      waiting: { name: "waiting", title: "Nothing to do right now", text },
      done: { name: "done", title: "Thank you", text: `All done. You gave ${counted(mine, "answer", "answers")}.` },
    };
    return screens[state] ?? this.loadingScreen();
  }

  loadingScreen() {
    const name = "loading";
    const cut = this.ahead.unreached || this.outbox.failures > 0;
    if (this.shown?.failed) return { name, title: "The picture cannot be loaded yet", text: "Trying again." };
    if (this.shown || !cut) return { name, title: "Loading" };
    return { name, title: "No connection", text: "Your answers are kept. This page goes on by itself." };
  }

  // An answer that was not taken comes back when there is nothing else to do.
  showRefused() {
    const busy = this.shown || this.outbox.unsent().length > 0 || !this.ahead.nothing;
    const [entry] = this.outbox.refused();
    if (entry && !busy && this.job.state !== "paused") this.look(this.withPicture({ ...entry.item, ...entry.answer }));
  }

  // Gives the editor the item that is to be seen, once its picture is there.
  showItem() {
    const item = this.shown;
    if (item === this.loaded || (item && !item.image)) return;
    if (this.loaded) this.loaded.seconds = this.clock.seconds();
    this.loaded = item;
    if (!item) return;
    part("editor").dataset.item = item.item;
    const { picture, image, width, height } = item;
    const draft = this.feedbacks.length ? null : this.outbox.draft(item.item);
    this.clock.start(Math.max(item.seconds, draft?.seconds ?? 0));
    this.editor.load({ picture: image, width, height, label: draft?.label ?? item.label, previous: this.drawn });
    this.given = JSON.stringify(draft ? (item.label ?? []) : this.editor.label());
    part("editor").inert = this.feedbacks.length > 0;
    if (this.feedbacks.length) this.message("");
  }

  showProgress() {
    const { mine, answered, asked } = this.job;
    const left = Math.max(asked - answered, 0);
    setProgress("mine", mine, mine + left, counted(mine, "answer", "answers"));
    setProgress("batch", answered, asked, `${answered.toLocaleString("en")} of ${asked.toLocaleString("en")}`);
    part("job").hidden = !this.job.alone;
    setText(part("round"), `Round ${this.job.round}`);
    setText(part("note"), this.job.note);
    setText(part("figures"), this.job.figures);
  }

  showVisit() {
    part("visit").hidden = !this.visited || this.feedbacks.length > 0;
    if (this.visited) setText(part("visit-text"), this.visitText(this.visited));
  }

  visitText({ item, nothing, reason }) {
    const refused = this.outbox.refused().find(({ answer }) => answer.item === item);
    if (refused) return `This answer was not taken. ${refused.refused}`;
    if (this.outbox.draft(item)) return "An earlier answer, changed and not sent yet.";
    if (nothing) return "Your answer was: nothing here.";
    if (reason) return `Your answer was: I cannot tell. ${reason}`;
    return this.place() > 0 ? `Your answer ${this.place() + 1} pictures back.` : "Your last answer.";
  }

  // What the job's owner says of an answer that was sent back.
  showComment() {
    const comment = (!this.visited && !this.feedbacks.length && this.shown?.comment) || "";
    part("comment").hidden = comment === "";
    setText(part("comment-text"), comment);
  }

  showFeedback() {
    const [feedback] = this.feedbacks;
    part("feedback").hidden = !feedback;
    if (!feedback) return;
    part("feedback").dataset.right = feedback.right;
    setText(part("verdict"), feedback.right ? "Right." : "Not quite. This is the right answer.");
    setText(part("explanation"), feedback.text);
  }

  showButtons() {
    const here = this.canAnswer && this.loaded === this.shown;
    setEnabled("submit", here);
    setEnabled("nothing", here && this.editor.empty());
    setEnabled("unsure", this.canAnswer);
    setEnabled("back", !this.feedbacks.length && this.place() + 1 < this.answered.length);
    if (this.editor) {
      const actions = this.editor.actions();
      this.tools.show(actions.map((action) => (here ? action : { ...action, enabled: false })));
      const commands = this.commands.filter(({ id }) => id !== "nothing" || this.manyRows);
      showKeys(part("keys"), [...commands, ...actions, ...this.editor.shortcuts()]);
    }
  }

  showStatus() {
    const number = this.outbox.unsent().length;
    const { failures, linkEnded } = this.outbox;
    let text = "";
    if (number && failures && !linkEnded) text = `${counted(number, "answer", "answers")} not sent yet, trying again`;
    else if (this.ahead.unreached && !this.ahead.linkEnded) text = "The server cannot be reached, trying again";
    setText(part("unsent"), text);
  }

  notices() {
    const refused = this.outbox.refused().filter(({ answer }) => answer.item !== this.visited?.item);
    const notices = refused.map(({ answer, refused }) => ({
      text: `An answer was not taken. ${refused}`, verb: "Change it", run: () => this.visitItem(answer.item),
    })); // prettier-ignore
    for (const text of this.dropped) notices.push({ text, verb: "Close", run: () => this.closeNotice(text) });
    if (this.outbox.keepsNothing && !this.warned) {
      const text = "This browser cannot store anything, so keep this page open until your answers are sent.";
      notices.push({ text, verb: "Close", run: () => this.closeWarning() });
    }
    return notices;
  }

  closeNotice(text) {
    this.dropped = this.dropped.filter((other) => other !== text);
    this.render();
  }

  closeWarning() {
    this.warned = true;
    this.render();
  }
}

async function editorOf(kind) {
  const name = EDITORS[kind];
  const style = make("link", { rel: "stylesheet", href: new URL(`./${name}.css`, import.meta.url).href });
  const styled = new Promise((done, failed) => Object.assign(style, { onload: done, onerror: failed }));
  document.head.append(style);
  const [{ Editor }] = await Promise.all([import(`./${name}.js`), styled]);
  return Editor;
}

function setProgress(id, value, max, text) {
  Object.assign(part(id), { max: Math.max(max, 1), value });
  setText(part(`${id}-text`), text);
}

function setEnabled(id, enabled) {
  part(id).setAttribute("aria-disabled", String(!enabled));
}

new Page().start();
