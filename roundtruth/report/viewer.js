"use strict";
// Enlarges the page's pictures: click or Enter opens one, Esc closes it, the arrow keys go on to the others.
(() => {
  const buttons = [...document.querySelectorAll("button.enlarge")];
  const viewer = document.getElementById("viewer");
  const image = viewer.querySelector("figure").insertBefore(new Image(), viewer.querySelector("figcaption"));
  let at = 0;

  function show(place) {
    at = (place + buttons.length) % buttons.length;
    const small = buttons[at].querySelector("img");
    Object.assign(image, { src: small.src, alt: "", className: small.className }); // the caption says what alt would
    viewer.querySelector("figcaption").textContent = small.alt;
    viewer.querySelector("output").textContent = `${at + 1} of ${buttons.length}`;
    if (!viewer.open) viewer.showModal(); // Esc closes it by itself
  }

  buttons.forEach((button, place) => button.addEventListener("click", () => show(place)));
  const verbs = { back: () => show(at - 1), on: () => show(at + 1), close: () => viewer.close() };
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer || event.target === image) viewer.close();
    verbs[event.target.closest("button")?.value]?.();
  });
  viewer.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(at + step);
  });
  viewer.addEventListener("close", () => buttons[at].focus());
})();
