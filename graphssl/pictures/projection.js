"use strict";
for (const figure of document.querySelectorAll(".projection")) {
  const tip = figure.querySelector(".tip"), image = tip.firstChild, name = tip.lastChild;
  const across = Number(figure.dataset.across);
  const atlas = figure.querySelector(".atlas"), plane = figure.querySelector(".plane");
  const circles = [...figure.querySelectorAll("circle")];
  const classes = [...figure.querySelectorAll(".classes li")];
  plane.addEventListener("pointermove", (event) => {
    const i = circles.indexOf(event.target);
    tip.hidden = i < 0;
    if (i < 0) return;
    image.style.backgroundImage = `url(${atlas.src})`;
    image.style.backgroundSize = `${across * 96}px auto`;
    image.style.backgroundPosition = `${-(i % across) * 96}px ${-Math.floor(i / across) * 96}px`;
    const entry = classes.find((each) => each.firstChild.style.backgroundColor === getComputedStyle(circles[i]).fill);
    name.textContent = entry?.textContent ?? "";
    const box = plane.getBoundingClientRect();
    tip.style.left = `${Math.min(event.clientX - box.left + 14, box.width - 110)}px`;
    tip.style.top = `${Math.min(event.clientY - box.top + 14, box.height - 124)}px`;
  });
  plane.addEventListener("pointerleave", () => { tip.hidden = true; });
}
