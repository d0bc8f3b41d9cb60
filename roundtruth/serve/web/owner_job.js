// One job: its figures, its people, the items that people found unclear, and its rounds.

import { make, part, setText } from "./parts.js";
import { figures, Series, setOutside, setTime, Table } from "./owner_parts.js";
import { figuresOf, Progress } from "./owner_jobs.js";
import { People } from "./owner_people.js";
import { money, NONE, number } from "./owner_words.js";

const FIRST = 12; // unclear items that are shown before the person asks for all

export class Job {
  constructor(page) {
    this.page = page;
    this.progress = new Progress();
    part("job-progress").append(this.progress.element);
    this.figures = figures(part("job-figures"));
    this.people = new People(page);
    this.unclear = new Series(part("unclear-list"), ({ item }) => item, () => new Unclear(page));
    part("unclear-all").addEventListener("click", () => this.showAll());
  }

  show({ job, people, few, unclear, rounds }) {
    if (this.id !== job.id) this.begin(job);
    this.said = unclear;
    this.progress.update(job);
    this.figures.show(figuresOf(job));
    setText(part("forecast-text"), job.forecast?.text ?? "");
    this.people.show(people, few);
    this.showUnclear();
    this.rounds.show(rounds);
    part("rounds-section").hidden = rounds.length === 0;
  }

  // Another job than the one that was shown before.
  begin({ id, kind, currency }) {
    this.id = id;
    this.all = false;
    part("rounds").replaceChildren();
    const objects = kind === "object-detection" ? [["Objects", (round) => number(round.objects)]] : [];
    const columns = [
      ["Round", ({ round }) => number(round)],
      ["By people", ({ human }) => number(human)],
      ["By the model", ({ auto }) => number(auto)],
      ...objects,
      ["Cost", ({ cost }) => money(cost, currency)],
      ["Threshold", ({ threshold }) => (threshold === null ? NONE : number(threshold, 3))],
    ];
    this.rounds = new Table(part("rounds"), columns, ({ round }) => round);
  }

  showUnclear() {
    const count = this.said.length;
    this.unclear.show(this.all ? this.said : this.said.slice(0, FIRST));
    part("unclear-section").hidden = count === 0;
    part("unclear-all").hidden = this.all || count <= FIRST;
    setText(part("unclear-all"), `Show all ${number(count)}`);
  }

  showAll() {
    this.all = true;
    this.showUnclear();
    part("unclear-list").children[FIRST].querySelector("button").focus();
  }
}

class Unclear {
  constructor(page) {
    this.image = make("img", { loading: "lazy", decoding: "async" });
    this.enlarge = make("button", { type: "button", className: "enlarge" }, this.image);
    this.enlarge.addEventListener("click", () => page.enlarged.open(this.title, { picture: this.picture }, [], []));
    this.source = make("bdi", { className: "source" });
    const list = make("ul", { className: "reasons" });
    this.reasons = new Series(list, ({ worker, at }) => JSON.stringify([worker, at]), makeReason);
    this.element = make("li", {}, this.enlarge, make("div", {}, this.source, list));
  }

  update({ item, source, picture, reasons }) {
    this.title = `Item ${number(item)}`;
    this.picture = picture;
    if (this.image.getAttribute("src") !== picture) this.image.src = picture;
    this.image.alt = this.title;
    this.enlarge.setAttribute("aria-label", `Enlarge item ${number(item)}`);
    setOutside(this.source, source);
    this.reasons.show(reasons);
  }
}

function makeReason({ worker, reason, at }) {
  const time = make("time", { className: "note" });
  const text = make("span", { dir: "auto", textContent: reason });
  const name = make("bdi", { className: "name", textContent: worker, title: worker });
  return { element: make("li", {}, name, " ", time, text), update: () => setTime(time, at) };
}
