// Brightness and contrast of the picture on the screen, with a small panel to set them.

const LEAST = 20;
const MOST = 300;
const STEP = 10;

export class Light {
  brightness = 100; // per cent
  contrast = 100;

  // changed(): the picture has to be shown in another light.
  constructor(changed) {
    this.changed = changed;
    this.panel = Object.assign(document.createElement("div"), { className: "boxes-light", hidden: true });
    this.panel.setAttribute("role", "group");
    this.panel.setAttribute("aria-label", "Brightness and contrast");
    this.sliders = { brightness: this.slider("brightness"), contrast: this.slider("contrast") };
    const reset = Object.assign(document.createElement("button"), { type: "button", textContent: "Reset" });
    reset.addEventListener("click", () => this.reset());
    this.panel.append(reset);
  }

  get shown() {
    return !this.panel.hidden;
  }

  slider(what) {
    const name = what[0].toUpperCase() + what.slice(1);
    const slider = Object.assign(document.createElement("input"), { type: "range", min: LEAST, max: MOST, step: STEP });
    slider.value = this[what];
    slider.addEventListener("input", () => this.set(what, Number(slider.value)));
    const label = document.createElement("label");
    label.append(Object.assign(document.createElement("span"), { textContent: name }), slider);
    this.panel.append(label);
    return slider;
  }

  set(what, value) {
    this[what] = Math.min(Math.max(value, LEAST), MOST);
    this.sliders[what].value = this[what];
    this.changed();
  }

  step(what, direction) {
    this.set(what, this[what] + direction * STEP);
  }

  reset() {
    this.set("brightness", 100);
    this.set("contrast", 100);
  }

  filter() {
    if (this.brightness === 100 && this.contrast === 100) return "none";
    return `brightness(${this.brightness}%) contrast(${this.contrast}%)`;
  }
}
