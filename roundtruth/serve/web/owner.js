// The owner's page: all jobs, one job, or the gallery of its disagreements. The hash of the address says which.

import { part, setText } from "./parts.js";
import { closeDialogs, Enlarged, LinkDialog, Question } from "./owner_dialogs.js";
import { Gallery } from "./owner_gallery.js";
import { Job } from "./owner_job.js";
import { Jobs, showState } from "./owner_jobs.js";
import { setOutside } from "./owner_parts.js";
import { LinkEnded, request } from "./server.js";

const OFTEN = 5_000; // milliseconds between two refreshes
const SELDOM = 60_000; // while nobody looks, and at most while the server cannot be reached
const MESSAGE_SHOWN = 6_000;

const VIEWS = ["screen", "jobs", "job", "gallery"];

function placeOf(hash) {
  const found = /^#job\/([0-9a-f]+)(?:\/gallery\/([1-9]\d{0,8}))?$/.exec(hash);
  if (found) return { view: found[2] ? "gallery" : "job", id: found[1], page: Number(found[2]) };
  return { view: "jobs", home: hash !== "#all" };
}

// Its parts use question, link, enlarged, say(), post().
class Page {
  turn = 0; // of the refresh; what an earlier one says is too late
  failures = 0;
  jobs = null; // what the server said last of all jobs
  arrived = false; // whether the place that the address names was shown
  moved = false; // the person has gone from one place to another

  constructor() {
    this.question = new Question();
    this.link = new LinkDialog();
    this.enlarged = new Enlarged();
    this.views = { jobs: new Jobs(), job: new Job(this), gallery: new Gallery(this) };
    this.listen();
    this.go();
  }

  listen() {
    history.scrollRestoration = "manual"; // what is shown comes later than the browser would scroll
    addEventListener("hashchange", () => this.go());
    addEventListener("pagehide", keepScroll);
    document.addEventListener("click", ({ target }) => target.closest("a[href^='#']") && keepScroll());
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
    addEventListener("online", () => this.refresh());
    part("said-close").addEventListener("click", () => this.say(""));
  }

  // ---- from place to place

  go() {
    closeDialogs();
    this.place = placeOf(location.hash);
    this.arrived = false;
    document.body.ariaBusy = "true";
    this.refresh();
  }

  async refresh() {
    clearTimeout(this.timer);
    const turn = ++this.turn;
    const said = await this.read(this.place).catch((error) => ({ error }));
    if (turn !== this.turn) return;
    if (said.error) this.failed(said.error);
    else this.worked(said);
    if (document.body.dataset.view !== "ended") this.timer = setTimeout(() => this.refresh(), this.pause());
  }

  pause() {
    return document.hidden ? SELDOM : Math.min(OFTEN * 2 ** Math.max(this.failures - 1, 0), SELDOM);
  }

  async read({ view, id, page }) {
    if (view === "jobs" || !this.jobs) this.jobs = await request("api/jobs");
    if (view === "jobs") return this.jobs;
    const addresses = [`jobs/${id}/api/overview`];
    if (view === "gallery") addresses.push(`jobs/${id}/api/gallery?page=${page}`);
    try {
      return Object.assign({}, ...(await Promise.all(addresses.map((address) => request(address)))));
    } catch (error) {
      if (!(error instanceof LinkEnded)) throw error;
      this.jobs = await request("api/jobs"); // if that works, the link is good, and the job is not there
      throw new Missing(error.message);
    }
  }

  worked(said) {
    const { view, home } = this.place;
    this.failures = 0;
    this.showTrouble("");
    if (home && said.jobs.length === 1 && said.left_out.length === 0) {
      location.replace(`#job/${said.jobs[0].id}`);
      return;
    }
    this.showHead(said);
    this.views[view].show(said);
    this.showView(view);
  }

  failed(error) {
    if (error instanceof LinkEnded) {
      closeDialogs();
      this.showScreen("ended", "This link is not valid", "It was mistyped, has expired, or was revoked.");
    } else if (error instanceof Missing) {
      this.showScreen("screen", "This job cannot be shown", error.message);
    } else {
      this.failures += 1;
      this.showTrouble(error.message || "The server cannot be reached. The page tries again.");
    }
  }

  // ---- what is on the screen

  showHead({ job, people = [] }) {
    const several = this.jobs !== null && this.jobs.jobs.length + this.jobs.left_out.length > 1;
    part("all-jobs").hidden = !several || this.place.view === "jobs";
    part("state").hidden = part("tabs").hidden = !job;
    setOutside(part("title"), job?.name ?? "Jobs");
    document.title = `${job?.name ?? "Jobs"} · roundtruth`;
    if (!job) return;
    showState(part("state"), job);
    this.showTabs(job, people.some(({ crowd }) => crowd));
  }

  showTabs({ id, report }, crowd) {
    part("tab-job").href = `#job/${id}`;
    part("tab-gallery").href = `#job/${id}/gallery/1`;
    part("tab-report").href = `jobs/${id}/report/`;
    part("tab-submissions").href = `jobs/${id}/submissions.csv`;
    part("tab-report").hidden = !report;
    part("tab-submissions").hidden = !crowd;
    part("tab-job").ariaCurrent = this.place.view === "job" ? "page" : null;
    part("tab-gallery").ariaCurrent = this.place.view === "gallery" ? "page" : null;
  }

  showView(view) {
    for (const name of VIEWS) part(name).hidden = name !== view;
    document.body.dataset.view = view;
    document.body.ariaBusy = "false";
    if (this.arrived) return;
    this.arrived = true;
    scrollTo(0, history.state?.scroll ?? 0);
    if (this.moved) part("title").focus({ preventScroll: true });
    this.moved = true;
  }

  showScreen(name, title, text) {
    this.showTrouble("");
    this.showHead({});
    setText(part("title"), "Overview");
    setText(part("screen-title"), title);
    setText(part("screen-text"), text);
    this.showView("screen");
    document.body.dataset.view = name;
  }

  showTrouble(text) {
    setText(part("trouble-text"), text);
  }

  // ---- for the parts of the page

  // What was done is shown for a while, what went wrong until the person closes it.
  say(text, wrong = false) {
    setText(part("said-text"), text);
    part("said-close").hidden = !text;
    part("said").classList.toggle("wrong", wrong);
    clearTimeout(this.fading);
    if (!wrong) this.fading = setTimeout(() => this.say(""), MESSAGE_SHOWN);
  }

  async post(path, body) {
    const said = await request(`jobs/${this.place.id}/api/${path}`, body);
    this.refresh();
    return said;
  }
}

class Missing extends Error {}

function keepScroll() {
  history.replaceState({ scroll: scrollY }, "");
}

new Page();
