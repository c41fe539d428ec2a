"use strict";

// A page that nobody sees does not follow: a browser has six connections to a server over
// HTTP/1.1, and many tabs. Whoever comes back to it sees the newest state first.
class Following {
  constructor(url) {
    this.url = url;
    this.listeners = [];
    this.source = null;
    this.ended = false;
    this.look = () => (document.hidden ? this.pause() : this.open());
    document.addEventListener("visibilitychange", this.look);
    this.look();
  }
  get readyState() {
    return this.ended ? EventSource.CLOSED : this.source ? this.source.readyState : EventSource.CONNECTING;
  }
  open() {
    if (this.ended || this.source) return;
    this.source = new EventSource(this.url);
    this.source.onopen = (e) => this.onopen && this.onopen(e);
    this.source.onerror = (e) => this.failed(e);
    for (const [name, f] of this.listeners) this.source.addEventListener(name, f);
  }
  failed(e) {
    if (this.source.readyState === EventSource.CLOSED) this.close();
    if (this.onerror) this.onerror(e);
  }
  pause() {
    if (this.source) this.source.close();
    this.source = null;
  }
  close() {
    this.ended = true;
    this.pause();
    document.removeEventListener("visibilitychange", this.look);
  }
  addEventListener(name, f) {
    this.listeners.push([name, f]);
    if (this.source) this.source.addEventListener(name, f);
  }
  removeEventListener(name, f) {
    this.listeners = this.listeners.filter(([n, g]) => n !== name || g !== f);
    if (this.source) this.source.removeEventListener(name, f);
  }
}
htmx.createEventSource = (url) => new Following(url);

// Pages do not go through htmx from one to the next. What the history says of that is of
// a page that had this address for its own, and what htmx keeps for it is not shown here.
window.addEventListener("popstate", (e) => {
  if (!e.state || !e.state.htmx) return;
  e.stopImmediatePropagation();
  location.reload();
}, true);

function connected(yes) {
  document.querySelector(".net").hidden = yes;
  document.body.classList.toggle("stale", !yes);
}
document.addEventListener("htmx:sseOpen", () => connected(true));
document.addEventListener("htmx:sseError", () => connected(document.hidden));

// A log keeps the newest entries.
document.addEventListener("htmx:sseMessage", (e) => {
  const most = Number(e.target.dataset.most);
  while (most && e.target.children.length > most) e.target.lastElementChild.remove();
  charts();
});

// Charts are drawn from what stands beside them.
const drawn = new Map();
function charts() {
  for (const from of document.querySelectorAll("[data-chart]")) {
    const figure = document.getElementById(from.dataset.chart);
    const old = drawn.get(figure);
    if (!figure || (old && old.values === from.dataset.values)) continue;
    const values = JSON.parse(from.dataset.values);
    if (old) {
      old.plot.setData(values.data);
      old.values = from.dataset.values;
    } else {
      drawn.set(figure, { plot: draw(figure, values), values: from.dataset.values });
    }
  }
}
function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);
function draw(figure, values) {
  for (const svg of figure.querySelectorAll("svg")) svg.remove();
  const axis = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  return new uPlot({
    width: figure.clientWidth,
    height: 170,
    legend: { live: true },
    cursor: { y: false },
    axes: [{ ...axis, values: (_, all) => all.map(clock) }, { ...axis, size: 56, values: (_, all) => all.map((v) => v + values.unit) }],
    scales: { y: { range: (_, min, max) => [Math.min(0, min), max > 0 ? max * 1.1 : 1] } },
    series: [{ label: "UTC", value: (_, v) => (v === null || v === undefined ? "–" : clock(v)) }, ...values.names.map((label, i) => ({ label, stroke: color("--line" + (i + 1)), width: 1.5, points: { show: false }, value: (_, v) => (v === null || v === undefined ? "–" : v.toPrecision(3) + values.unit) }))],
  }, values.data, figure);
}
function redraw() {
  for (const [figure, d] of drawn) d.plot.setSize({ width: figure.clientWidth, height: 170 });
}
let resized = 0;
window.addEventListener("resize", () => {
  cancelAnimationFrame(resized);
  resized = requestAnimationFrame(redraw);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const [figure, d] of drawn) d.plot.destroy(), drawn.delete(figure);
  charts();
});
charts();
