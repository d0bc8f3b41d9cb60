// The smallest page that can hold an editor of labels; tests tell it what to load.
import { Editor } from "./static/boxes.js";

const host = document.getElementById("host");
window.calls = { changed: 0, submit: 0, messages: [] };

window.begin = (classes) => {
  window.editor?.destroy();
  window.editor = new Editor(host, {
    classes,
    changed: () => window.calls.changed++,
    message: (text) => window.calls.messages.push(text),
    submit: () => window.calls.submit++,
  });
};

window.load = async ({ source, ...item }) => {
  const picture = new Image();
  picture.src = source;
  await picture.decode();
  window.editor.load({ picture, label: null, previous: null, ...item });
};

document.addEventListener("keydown", (event) => window.editor.key(event));
