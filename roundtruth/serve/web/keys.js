// Names of keys, the same on every keyboard: "Ctrl+Shift+Z", "ArrowUp", "7", "+".

export function keyName(event) {
  const altGraph = event.getModifierState("AltGraph"); // the browser reports it as Ctrl and Alt; it only writes a sign
  const key = altGraph ? event.key : plainKey(event);
  const parts = [];
  if ((event.ctrlKey || event.metaKey) && !altGraph) parts.push("Ctrl");
  if (event.altKey && !altGraph) parts.push("Alt");
  if (event.shiftKey && (key.length > 1 || /[A-Z]/.test(key))) parts.push("Shift"); // "+" is "+", with Shift or without
  return [...parts, key].join("+");
}

function plainKey({ key, code, shiftKey }) {
  if (key.length > 1) return key;
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(code);
  if (digit && !shiftKey) return digit[1]; // a French keyboard writes "&" with the key of the 1
  const letter = /^Key([A-Z])$/.exec(code);
  if (letter && key > "\x7f") return letter[1]; // a Russian or Arabic keyboard has its own letters there
  return key.toUpperCase();
}

// Whether what has the focus needs the key itself.
export function needsKey(target, name) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.matches("textarea, select")) return true;
  if (target.matches("input[type=range]")) return /^(Arrow|Page|Home|End)/.test(name);
  if (target.matches("input:not([type=checkbox], [type=radio], [type=button])")) return true;
  return target.matches("button, a[href], summary, input") && ["Enter", " "].includes(name);
}
