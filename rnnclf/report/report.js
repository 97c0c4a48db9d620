"use strict";

// Figures: drawn when they come near the window, with the colours of the page.

const figures = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function template() {
  const axis = {
    automargin: true,
    gridcolor: colour("line"),
    linecolor: colour("line"),
    tickcolor: colour("line"),
    title: { font: { size: 12, color: colour("soft") }, standoff: 8 },
    zeroline: false,
  };
  return {
    layout: {
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", // a finger scrolls
      colorway: [colour("blue"), colour("rust"), colour("soft")],
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("ink") },
      hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("line"), font: { color: colour("ink") } },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      shapedefaults: { line: { color: colour("soft") } },
      xaxis: axis,
      yaxis: axis,
    },
  };
}

function coloured(trace) {
  if (trace.type !== "heatmap") return trace;
  const name = trace.meta === "right" ? "blue" : "rust";
  return { ...trace, colorscale: [[0, colour(`${name}-faint`)], [1, colour(name)]] };
}

function draw(canvas) {
  const { data, layout } = figures.get(canvas);
  const size = { width: canvas.clientWidth, height: layout.height ?? 340 };
  Plotly.react(canvas, data.map(coloured), { ...structuredClone(layout), ...size, template: template() }, {
    displaylogo: false,
    modeBarButtons: [["toImage"]], // the only one: what is drawn, as a picture
    scrollZoom: false,
  });
}

function redraw() {
  for (const canvas of figures.keys()) {
    if (canvas.classList.contains("js-plotly-plot")) draw(canvas);
  }
}

const approaching = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) {
      approaching.unobserve(target);
      draw(target);
    }
  }
}, { rootMargin: "600px" });

for (const canvas of document.querySelectorAll(".canvas")) {
  figures.set(canvas, JSON.parse(canvas.nextElementSibling.textContent));
  approaching.observe(canvas);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
matchMedia("print").addEventListener("change", () => {
  for (const canvas of figures.keys()) draw(canvas);
});
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) redraw();
  width = innerWidth;
});

// Tables: sorted by a click on a heading, filtered by words.

function compare(a, b) {
  const difference = Number(a) - Number(b);
  return Number.isNaN(difference) ? a.localeCompare(b) : difference;
}

function sort(table, heading) {
  const descending = heading.ariaSort === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.ariaSort = descending ? "descending" : "ascending";
  const column = heading.cellIndex;
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const rows = [...table.tBodies[0].rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === "" || b === "") return (a === "") - (b === ""); // what is missing comes last
    return descending ? compare(b, a) : compare(a, b);
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, heading));
    heading.append(button);
  }
}

for (const filter of document.querySelectorAll(".filter")) {
  const rows = [...filter.nextElementSibling.querySelectorAll("tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const apply = () => {
    const words = filter.querySelector("input").value.toLowerCase().split(/\s+/);
    rows.forEach((row, number) => {
      row.hidden = !words.every((word) => texts[number].includes(word));
    });
    const shown = rows.filter((row) => !row.hidden).length;
    filter.querySelector("output").textContent = `${shown} of ${rows.length} runs`;
  };
  filter.querySelector("input").addEventListener("input", apply);
  filter.hidden = false;
  apply();
}
