// The time line: one canvas for all threads, over it an overview of the whole run. However many stalls there are, what is
// drawn is a sum for each column of pixels: how much of that time the thread was held, by colour.

// A few threads have room to be drawn taller.
const LANE = data.lanes.length > 6 ? 25 : 36, GAP = 7, AXIS = 24, OVERVIEW = 34;
const plot = byId("plot"), canvas = byId("lanes"), overview = byId("overview"), brush = byId("brush");
const WHOLE = state.to;
const CLASSES = data.classes.length;

/** The stalls of each lane, sorted by their start. */
const lanes = (() => {
  const {start, held, site, lane} = data.stalls;
  const order = data.lanes.map(() => []);
  for (let index = 0; index < lane.length; index += 1) order[lane[index]].push(index);
  return order.map((indices) => {
    indices.sort((a, b) => start[a] - start[b]);
    const ends = Float64Array.from(indices, (index) => start[index] + held[index]);
    // Of a lane that several threads share, stalls overlap: the latest end so far says where a search may begin.
    const latest = Float64Array.from(ends);
    for (let index = 1; index < latest.length; index += 1) latest[index] = Math.max(latest[index], latest[index - 1]);
    return {start: Float64Array.from(indices, (index) => start[index]), end: ends, latest,
      site: Int32Array.from(indices, (index) => site[index])};
  });
})();
const classOf = Int32Array.from(data.sites, (site) => site.class);

/** The line of each thread; between two processes there is a gap. */
const rows = (() => {
  let top = AXIS;
  return data.lanes.map((lane, index) => {
    if (index && data.lanes[index - 1].process !== lane.process) top += GAP;
    top += LANE;
    return {process: lane.process, top: top - LANE, height: LANE, lane: index};
  });
})();
const HEIGHT = rows.length ? rows[rows.length - 1].top + LANE + 2 : AXIS + LANE;

function drawLabels() {
  const box = byId("labels");
  const line = (height, ...children) => box.append(el("div", {style: {height: height + "px"}}, children));
  line(OVERVIEW + 1, el("span", {class: "of"}, "whole run"));
  line(AXIS, el("span", {class: "of"}, "thread"));
  let bottom = AXIS;
  for (const row of rows) {
    if (row.top > bottom) line(row.top - bottom);
    bottom = row.top + row.height;
    const process = data.processes[row.process], name = data.lanes[row.lane].name || "no stall";
    line(row.height, el("span", {class: "name", title: process ? `${name}, pid ${process.pid}: ${process.argv}` : name}, name),
      process ? el("span", {class: "of"}, el("span", {class: "word"}, "pid "), String(process.pid)) : null);
  }
}

/** Index of the first value in a sorted array that is at least `value`. */
function firstAtLeast(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

/** Calls back with each stall of a lane that lies in a stretch of time. */
function eachStall(lane, from, to, call) {
  for (let index = firstAtLeast(lane.latest, from); index < lane.start.length && lane.start[index] <= to; index += 1) {
    if (lane.end[index] >= from) call(index);
  }
}

/** For each column of pixels and class, the share of its time that was held; classes that are dimmed come after the others. */
function columns(lane, from, to, width) {
  const sums = new Float64Array(width * CLASSES * 2), scale = width / (to - from);
  eachStall(lane, from, to, (index) => {
    const site = lane.site[index], slot = classOf[site] + (isOn(site) ? 0 : CLASSES);
    const begin = (lane.start[index] - from) * scale, end = (lane.end[index] - from) * scale;
    const first = Math.max(0, Math.floor(begin)), last = Math.min(width - 1, Math.floor(end));
    for (let column = first; column <= last; column += 1) {
      const part = Math.min(end, column + 1) - Math.max(begin, column);
      // What was there must be seen, however short.
      sums[column * CLASSES * 2 + slot] += Math.max(part, 1e-6);
    }
  });
  return sums;
}

function palette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    classes: data.classes.map((kind) => read(kind.kind === "rule" ? `--c${kind.colour}` : `--${kind.kind}`)),
    lane: read("--lane"), line: read("--line"), ink: read("--ink"), muted: read("--muted"), paper: read("--paper"),
    bar: read("--on-bar"), accent: read("--accent"), font: getComputedStyle(document.body).fontFamily,
  };
}

function surface(node, height) {
  const width = Math.max(1, Math.floor(plot.clientWidth)), ratio = window.devicePixelRatio || 1;
  node.width = Math.round(width * ratio);
  node.height = Math.round(height * ratio);
  node.style.height = height + "px";
  const pen = node.getContext("2d");
  pen.scale(ratio, ratio);
  pen.clearRect(0, 0, width, height);
  return [pen, width];
}

/** Steps of 1, 2 or 5 that leave about 110 pixels between two marks. */
function tickStep(span, width) {
  const wanted = span / Math.max(2, width / 110), power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= wanted);
}

function drawAxis(pen, width, ink) {
  const span = state.to - state.from, step = tickStep(span, width);
  const units = [["s", 1e6], ["ms", 1e3], ["\u00b5s", 1]];
  // Far in, where a moment has more digits than can be read, the marks count from the left edge.
  const far = state.to > 1e4 * step, size = far ? span : state.to;
  const [unit, scale] = units.find(([, us]) => size >= us) || units[2], base = far ? state.from : 0;
  const digits = Math.max(0, -Math.floor(Math.log10(step / scale) + 1e-9));
  pen.font = "11px " + ink.font;
  pen.textBaseline = "middle";
  const first = Math.ceil((state.from - base) / step), last = Math.floor((state.to - base) / step + 1e-6);
  for (let mark = first; mark <= last; mark += 1) {
    const x = Math.round((mark * step + base - state.from) / span * width) + 0.5;
    pen.strokeStyle = ink.line;
    pen.beginPath(); pen.moveTo(x, AXIS - 4); pen.lineTo(x, HEIGHT); pen.stroke();
    const text = (far ? "+" : "") + (mark ? (mark * step / scale).toFixed(Math.min(6, digits)) : "0") + NBSP + unit;
    pen.fillStyle = ink.muted;
    if (x + 4 + pen.measureText(text).width < width) pen.fillText(text, x + 4, AXIS / 2);
  }
}

function drawLane(pen, row, width, ink) {
  const lane = lanes[row.lane], span = state.to - state.from, base = row.top + row.height - 3, room = row.height - 6;
  const sums = columns(lane, state.from, state.to, width);
  for (let column = 0; column < width; column += 1) {
    const offset = column * CLASSES * 2;
    let total = 0;
    for (let slot = 0; slot < CLASSES * 2; slot += 1) total += sums[offset + slot];
    if (!total) continue;
    let y = base;
    // By the square root: with linear heights, what is held for a hundredth of a second in each is a hair line.
    const height = Math.max(3, Math.sqrt(Math.min(1, total)) * room);
    for (let slot = 0; slot < CLASSES * 2; slot += 1) {
      if (!sums[offset + slot]) continue;
      // One pixel at least for what is selected, so that it is not lost among others.
      const part = Math.max(slot < CLASSES ? 1 : 0, sums[offset + slot] / total * height);
      pen.globalAlpha = slot < CLASSES ? 1 : 0.16;
      pen.fillStyle = ink.classes[slot % CLASSES];
      pen.fillRect(column, y - part, 1, part);
      y -= part;
    }
  }
  pen.globalAlpha = 1;
  let labels = 0;
  eachStall(lane, state.from, state.to, (index) => {
    const begin = Math.max(0, (lane.start[index] - state.from) / span * width);
    const end = Math.min(width, (lane.end[index] - state.from) / span * width);
    if (end - begin < 56 || labels > 200 || !isOn(lane.site[index])) return;
    labels += 1;
    pen.save();
    pen.beginPath(); pen.rect(begin + 5, row.top, end - begin - 10, row.height); pen.clip();
    const kind = data.classes[classOf[lane.site[index]]].kind;
    pen.fillStyle = kind === "wait" ? ink.ink : ink.bar;
    pen.font = "11px " + ink.font;
    pen.fillText(data.sites[lane.site[index]].operator, begin + 6, row.top + row.height / 2 + 0.5);
    pen.restore();
    // A hair between two stalls that touch.
    pen.fillStyle = ink.paper;
    pen.fillRect(end - 0.5, row.top + 3, 1, row.height - 6);
  });
}

/** The share of each column of the whole run that copies held, or the selected site, over all threads; kept while it holds. */
const overall = {width: 0, site: -1, matches: null, totals: new Float64Array(0)};
function totalsOf(width) {
  if (overall.width !== width || overall.site !== state.site || overall.matches !== state.matches) {
    Object.assign(overall, {width, site: state.site, matches: state.matches, totals: new Float64Array(width)});
    lanes.forEach((lane) => columns(lane, 0, WHOLE, width).forEach((sum, slot) => {
      const kind = slot % (CLASSES * 2);
      if (kind < CLASSES && (state.site >= 0 || data.classes[kind].kind !== "wait")) overall.totals[Math.floor(slot / (CLASSES * 2))] += sum;
    }));
  }
  return overall.totals;
}

function drawOverview(ink) {
  const [pen, width] = surface(overview, OVERVIEW), totals = totalsOf(width);
  const most = totals.reduce((a, b) => Math.max(a, b), 0);
  pen.fillStyle = ink.muted;
  for (let column = 0; most && column < width; column += 1) {
    if (totals[column]) {
      const height = Math.max(1, Math.sqrt(totals[column] / most) * (OVERVIEW - 8));
      pen.fillRect(column, OVERVIEW - height, 1, height);
    }
  }
  const left = state.from / WHOLE * width, right = Math.max(state.to / WHOLE * width, left + 2);
  if (right - left < width - 0.5) {
    pen.fillStyle = ink.paper; pen.globalAlpha = 0.65;
    pen.fillRect(0, 0, left, OVERVIEW); pen.fillRect(right, 0, width - right, OVERVIEW);
    pen.globalAlpha = 1; pen.strokeStyle = ink.accent;
    pen.strokeRect(left + 0.5, 0.5, Math.max(1, right - left - 1), OVERVIEW - 1);
  }
}

function draw() {
  const ink = palette();
  drawOverview(ink);
  const [pen, width] = surface(canvas, HEIGHT);
  const span = state.to - state.from, at = (us) => (us - state.from) / span * width;
  for (const row of rows) {
    const process = data.processes[row.process];
    const from = process ? at(process.start) : 0, to = process ? at(process.start + process.wall) : width;
    pen.fillStyle = ink.lane;
    pen.fillRect(Math.max(0, from), row.top + 2, Math.min(width, to) - Math.max(0, from), row.height - 4);
  }
  drawAxis(pen, width, ink);
  for (const row of rows) drawLane(pen, row, width, ink);
  const whole = span >= WHOLE * 0.999999;
  const range = byId("range");
  range.dataset.from = state.from;
  range.dataset.to = state.to;
  range.textContent = (data.span ? `${moment(state.from, span)} \u2013 ${moment(state.to, span)}` : "") + (whole ? "" : ` (${time(span)})`);
  byId("reset").disabled = byId("zoom-out").disabled = whole;
}

let pending = 0;
const redraw = () => { pending = pending || requestAnimationFrame(() => { pending = 0; draw(); }); };
listeners.push(redraw);
