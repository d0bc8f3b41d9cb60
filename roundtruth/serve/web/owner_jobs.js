// What the page says about a job, in the list of all jobs and at the top of the job's own page.

import { counted, make, part, setText } from "./parts.js";
import { figures, Series, setOutside } from "./owner_parts.js";
import { money, NONE, number, stateText } from "./owner_words.js";

export function showState(element, { state, round }) {
  setText(element, round ? `${stateText(state)}, round ${number(round)}` : stateText(state));
  element.dataset.state = state;
}

// Two bars: how far the open batch is, and where the labels of all items come from.
export class Progress {
  constructor() {
    this.batch = make("progress", { max: 1 });
    this.batchText = make("span");
    const label = make("label", {}, this.batchText, this.batch);
    this.strip = make("span", { className: "strip", ariaHidden: "true" });
    this.stripText = make("span");
    this.element = make("div", { className: "progress" }, label, make("p", {}, this.stripText, this.strip));
    this.strip.append(...["human", "auto", "failed"].map((source) => make("span", { className: source })));
  }

  update(job) {
    const { asked, answered } = job;
    Object.assign(this.batch, { max: Math.max(asked, 1), value: answered });
    this.batch.hidden = asked === 0;
    const batch = `Open batch: ${number(answered)} of ${counted(asked, "item", "items")}${each(job.wanted)}`;
    setText(this.batchText, asked ? batch : "No batch is open");
    setText(this.stripText, this.labels(job));
    const share = (source) => job[source] / Math.max(job.items, 1);
    for (const stretch of this.strip.children) stretch.style.setProperty("--share", share(stretch.className));
  }

  labels({ items, human, auto, failed }) {
    const sources = `${number(human)} by people, ${number(auto)} by the model`;
    const without = failed ? `, ${number(failed)} failed` : "";
    return `Labels: ${sources}${without}, of ${counted(items, "item", "items")}`;
  }
}

function each([least, most]) {
  if (most === 1) return "";
  return least < most ? `, ${least} to ${most} answers each` : `, ${most} answers each`;
}

export function figuresOf({ spent, currency, forecast, saved_percent, people, unclear }) {
  const range = forecast && `${money(forecast.low, currency)} to ${money(forecast.high, currency)}`;
  return [
    ["Spent", money(spent, currency)],
    ["Forecast", forecast ? money(forecast.total, currency) : NONE, range],
    ["Saved", saved_percent === null ? NONE : `${number(saved_percent, 1)}\u00a0%`],
    ["People", number(people)],
    ["Unclear", number(unclear)],
  ];
}

export class Jobs {
  constructor() {
    this.cards = new Series(part("cards"), ({ id }) => id, (job) => new Card(job));
    this.leftOut = new Series(part("left-out-list"), ({ address }) => address, makeLeftOut);
  }

  show({ jobs, left_out }) {
    this.cards.show(jobs);
    part("no-jobs").hidden = jobs.length > 0;
    this.leftOut.show(left_out);
    part("left-out").hidden = left_out.length === 0;
  }
}

class Card {
  constructor({ id }) {
    this.link = make("a", { href: `#job/${id}`, dir: "auto" });
    this.state = make("span", { className: "state" });
    this.progress = new Progress();
    const list = make("dl", { className: "figures" });
    this.figures = figures(list);
    const head = make("div", { className: "head" }, make("h2", {}, this.link), this.state);
    this.element = make("li", { className: "card" }, head, this.progress.element, list);
  }

  update(job) {
    setOutside(this.link, job.name);
    showState(this.state, job);
    this.progress.update(job);
    this.figures.show(figuresOf(job));
  }
}

function makeLeftOut({ address }) {
  const why = make("span", { dir: "auto" });
  const element = make("li", {}, make("bdi", { className: "address", textContent: address }), why);
  return { element, update: (one) => setText(why, one.why) };
}
