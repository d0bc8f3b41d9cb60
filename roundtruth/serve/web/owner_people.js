// The people of a job: what each has done, and what the owner can do about it.

import { make, part, setText } from "./parts.js";
import { button, Series, setHidden, setOutside, setTime } from "./owner_parts.js";
import { copyText, sentenceOf } from "./owner_dialogs.js";
import { duration, named, NONE, number, percent, stateText } from "./owner_words.js";

const COLUMNS = [
  "Answers", "Could not tell", "Seconds an answer", "Last answer", "Has now", "Agreement", "Known answers",
]; // prettier-ignore

// The server knows the way from this page to a person's, not under which name browsers find it.
const absolute = (url) => url && new URL(url, location.href).href;

export class People {
  // page: what the page does for its parts, see owner.js
  constructor(page) {
    this.page = page;
    const head = (name) => make("th", { scope: "col", role: "columnheader", textContent: name });
    const heads = ["Person", ...COLUMNS].map(head);
    const body = make("tbody", { role: "rowgroup" });
    part("people").append(make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads)), body);
    this.rows = new Series(body, ({ worker }) => worker, (person) => new Row(person.worker, page));
    part("add").addEventListener("submit", (event) => this.add(event));
  }

  // few: what to do where a picture may need more people than there are
  show(people, few) {
    this.rows.show(people);
    part("people").hidden = people.length === 0;
    part("no-people").hidden = people.length > 0;
    part("few").hidden = few === "";
    setText(part("few"), few);
  }

  async add(event) {
    event.preventDefault();
    const worker = part("add-name").value.trim();
    setText(part("add-error"), worker ? "" : "Write the person's name.");
    if (!worker || this.adding) return;
    this.adding = true;
    try {
      const made = await this.page.post("links", { worker, what: "make" });
      part("add-name").value = "";
      this.page.link.open(made.worker, absolute(made.url));
    } catch (error) {
      setText(part("add-error"), sentenceOf(error));
    }
    this.adding = false;
  }
}

class Row {
  constructor(worker, page) {
    Object.assign(this, { worker, page });
    this.name = make("bdi", { className: "name", tabIndex: -1 });
    this.state = make("span", { className: "state" });
    this.flag = make("p", { className: "flag", dir: "auto" });
    this.cells = COLUMNS.map((name) => this.cell(name));
    const [, , , last, , agreement, golds] = this.cells;
    last.append((this.last = make("time")), (this.never = make("span", { textContent: NONE })));
    this.agreement = new Share(agreement);
    this.golds = new Share(golds);
    const head = make("th", { scope: "row", role: "rowheader" }, this.name, " ", this.state, this.flag, this.verbs());
    head.ariaLabel = worker; // and not the names of the buttons
    this.element = make("tr", { role: "row" }, head, ...this.cells);
  }

  cell(name) {
    const cell = make("td", { role: "cell" });
    cell.dataset.name = name; // where the table is too narrow for its head
    return cell;
  }

  verbs() {
    this.rest = this.verb("Pause", "Pause", () => this.pauseOrResume()); // one button, so that it keeps the focus
    this.copy = this.verb("Copy link", "Copy the link of", () => this.copyLink());
    this.renew = this.verb("Make a link", "Make a link for", () => this.makeLink());
    this.revoke = this.verb("Revoke link", "Revoke the link of", () => this.askToRevoke());
    this.remove = this.verb("Remove", "Remove", () => this.askToRemove());
    const all = [this.copy, this.renew, this.revoke, this.rest, this.remove];
    const group = make("div", { className: "verbs", role: "group", ariaLabel: "Actions" });
    group.append(...all);
    return group;
  }

  verb(text, label, run) {
    const element = button(text, () => this.once(element, run));
    element.setAttribute("aria-label", `${label} ${this.worker}`);
    return element;
  }

  update(person) {
    this.url = absolute(person.url);
    setOutside(this.name, person.worker);
    setText(this.state, stateText(person.state));
    this.state.dataset.state = person.state;
    setText(this.flag, person.flag);
    this.flag.hidden = !person.flag;
    this.showFigures(person);
    this.showVerbs(person);
  }

  showFigures({ answers, cannot_tell, seconds, last, holds, agreement, compared, golds, gold_quality }) {
    const [answered, unsure, took, , held] = this.cells;
    setText(answered, number(answers));
    setText(unsure, number(cannot_tell));
    setText(took, duration(seconds));
    setTime(this.last, last);
    this.never.hidden = Boolean(last);
    setText(held, number(holds));
    this.agreement.show(agreement, compared);
    this.golds.show(gold_quality, golds);
  }

  // Nobody has the link of a person from a crowd: they come from elsewhere.
  showVerbs({ state, url, crowd }) {
    const removed = state === "removed";
    setHidden(this.copy, !url, this.name);
    setHidden(this.revoke, !url || crowd, this.name);
    setHidden(this.renew, Boolean(url) || crowd || removed, this.name);
    this.rests = state !== "active";
    setText(this.rest, this.rests ? "Resume" : "Pause");
    this.rest.setAttribute("aria-label", `${this.rest.textContent} ${this.worker}`);
    setHidden(this.rest, state === "below", this.name);
    setHidden(this.remove, removed, this.name);
  }

  async once(element, run) {
    if (element.getAttribute("aria-disabled") === "true") return;
    element.setAttribute("aria-disabled", "true");
    try {
      await run();
    } catch (error) {
      this.page.say(sentenceOf(error), true);
    }
    element.removeAttribute("aria-disabled");
  }

  async pauseOrResume() {
    this.update(await (this.rests ? this.tell("resume", "is active again") : this.tell("pause", "is paused")));
  }

  async tell(what, done) {
    const { person } = await this.page.post("people", { worker: this.worker, what });
    this.page.say(`${named(this.worker)} ${done}.`);
    return person;
  }

  async copyLink() {
    if (await copyText(this.url)) this.page.say(`The link of ${named(this.worker)} is copied.`);
    else this.page.link.open(this.worker, this.url);
  }

  async makeLink() {
    const { worker, url } = await this.page.post("links", { worker: this.worker, what: "make" });
    this.page.link.open(worker, absolute(url));
  }

  askToRevoke() {
    this.page.question.open({
      title: `Revoke the link of ${named(this.worker)}?`,
      text: "The link stops working at once. What this person did stays. You can make a new link at any time.",
      verb: "Revoke",
      act: async () => {
        await this.page.post("links", { worker: this.worker, what: "revoke" });
        this.page.say(`The link of ${named(this.worker)} does not work any more.`);
      },
    });
  }

  askToRemove() {
    this.page.question.open({
      title: `Remove ${named(this.worker)}?`,
      text: "This person's links stop working, and they get no more items. What they did stays and is paid.",
      verb: "Remove",
      act: () => this.tell("remove", "is removed"),
    });
  }
}

// A share as a number and a bar, with how many items it comes from.
class Share {
  constructor(cell) {
    this.text = make("span");
    this.of = make("span", { className: "note" });
    this.bar = make("span", { className: "bar", ariaHidden: "true" });
    cell.append(make("span", { className: "share" }, this.text, " ", this.of, this.bar));
  }

  show(share, items) {
    setText(this.text, percent(share));
    setText(this.of, share === null ? "" : `of ${number(items)}`);
    this.bar.hidden = share === null;
    this.bar.style.setProperty("--share", share ?? 0);
  }
}
