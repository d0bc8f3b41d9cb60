// How the owner's page writes numbers, money and times.

export const NONE = "–"; // where there is no value

export const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

export const percent = (share) => (share === null ? NONE : `${number(100 * share)}\u00a0%`);

// A sign stands directly before the amount ($2.60), a code with a space (EUR 2.60).
export function money(amount, currency) {
  const space = /\p{L}$/u.test(currency) ? "\u00a0" : "";
  return `${amount < 0 ? "−" : ""}${currency}${space}${number(Math.abs(amount), 2)}`;
}

export function duration(seconds) {
  if (seconds === null) return NONE;
  if (seconds < 10) return `${number(seconds, 1)}\u00a0s`;
  if (seconds < 60) return `${number(seconds)}\u00a0s`;
  const whole = Math.round(seconds);
  return `${number(Math.floor(whole / 60))}\u00a0min ${whole % 60}\u00a0s`;
}

const SPANS = [["minute", 60], ["hour", 3600], ["day", 86_400], ["month", 30 * 86_400], ["year", 365 * 86_400]];
const relative = new Intl.RelativeTimeFormat("en");

export function ago(time) {
  const seconds = (Date.now() - Date.parse(time)) / 1000;
  if (!(seconds >= 60)) return "just now"; // also where the server's clock is a little ahead
  const [unit, length] = SPANS.findLast((span) => seconds >= span[1]);
  return relative.format(-Math.floor(seconds / length), unit);
}

const STATES = {
  waiting: "Waiting for people", running: "Working", complete: "Complete", stopped: "Stopped",
  active: "Active", paused: "Paused", removed: "Removed", below: "Gets no more items",
}; // prettier-ignore

export const stateText = (state) => STATES[state] ?? state;

const PLAIN = /^[\p{Script=Latin}\p{M}\d .,'’()_-]*$/u;

// A name in a sentence: its direction of writing does not change that of the sentence.
export const named = (name) => (PLAIN.test(name) ? name : `\u2068${name}\u2069`);
