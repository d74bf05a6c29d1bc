// Zooming, panning and pointing in the time line.

const NARROWEST = 1;

/** Shows a stretch of time, in microseconds, kept inside the run. */
function show(from, to) {
  const span = Math.min(WHOLE, Math.max(NARROWEST, to - from));
  const middle = (from + to) / 2;
  state.from = Math.min(Math.max(0, middle - span / 2), WHOLE - span);
  state.to = state.from + span;
  hideTip();
  redraw();
}

/** Zooms about a point, given as a fraction of the width; more than 1 shows more. */
function zoom(factor, about = 0.5) {
  const span = state.to - state.from, pivot = state.from + span * about;
  const wanted = Math.min(WHOLE, Math.max(NARROWEST, span * factor));
  show(pivot - wanted * about, pivot + wanted * (1 - about));
}

const pan = (fraction) => {
  const by = (state.to - state.from) * fraction;
  const bound = Math.max(-state.from, Math.min(by, WHOLE - state.to));
  show(state.from + bound, state.to + bound);
};

const fractionAt = (event) => {
  const box = canvas.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
};

/** The stall under the pointer, the longest of those within three pixels, and how many those are. */
function stallAt(event) {
  const box = canvas.getBoundingClientRect(), y = event.clientY - box.top, span = state.to - state.from;
  const row = rows.find((item) => y >= item.top && y < item.top + item.height);
  if (!row || !box.width) return null;
  const at = state.from + fractionAt(event) * span, reach = span / box.width * 3, lane = lanes[row.lane];
  let best = -1, count = 0, held = 0;
  const length = (index) => lane.end[index] - lane.start[index];
  eachStall(lane, at - reach, at + reach, (index) => {
    if (!isOn(lane.site[index])) return;
    count += 1;
    held += length(index);
    if (best < 0 || length(index) > length(best)) best = index;
  });
  return best < 0 ? null : {row, count, held, site: lane.site[best], start: lane.start[best], length: length(best)};
}

const tip = byId("tip");
function hideTip() { tip.hidden = true; }

function showTip(event) {
  const hit = stallAt(event);
  if (!hit) { hideTip(); return; }
  const site = data.sites[hit.site], frame = userFrame(site), kind = data.classes[site.class];
  const each = site.count ? site.bytes / site.count : 0;
  tip.replaceChildren(
    el("div", {}, swatch(site.class), " ", el("b", {}, time(hit.length)), ` in ${site.operator}`,
      kind.kind === "rule" ? ` \u00b7 ${site.findings.length ? site.findings[0].code : kind.label}` : ` \u00b7 ${kind.label}`),
    el("div", {}, sitePlace(site)), frame ? el("div", {class: "muted"}, frame.name) : "",
    el("div", {class: "muted"}, `at ${moment(hit.start, hit.length)}`, site.bytes ? `, ${bytes(each)} a copy on average` : "",
      hit.count > 1 ? `; the longest of ${number(hit.count)} here, ${time(hit.held)} in all` : ""));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 6)) + "px";
  tip.style.top = (event.clientY + 18 + box.height > innerHeight ? Math.max(4, event.clientY - box.height - 12) : event.clientY + 18) + "px";
}

let drag = null;

canvas.addEventListener("pointerdown", (event) => {
  if (event.button > 1) return;
  const panning = event.shiftKey || event.button === 1 || event.pointerType === "touch";
  drag = {panning, x: event.clientX, at: fractionAt(event), from: state.from, to: state.to, moved: false};
  canvas.setPointerCapture(event.pointerId);
  hideTip();
});

canvas.addEventListener("pointermove", (event) => {
  if (!drag) { showTip(event); return; }
  drag.moved = drag.moved || Math.abs(event.clientX - drag.x) > 3;
  if (!drag.moved) return;
  const now = fractionAt(event);
  plot.classList.toggle("panning", drag.panning);
  if (drag.panning) {
    state.from = drag.from; state.to = drag.to;
    pan(drag.at - now);
  } else {
    const width = canvas.clientWidth, left = Math.min(drag.at, now) * width;
    brush.hidden = false;
    brush.style.left = left + "px";
    brush.style.width = Math.abs(drag.at - now) * width + "px";
    brush.style.top = canvas.offsetTop + "px";
    brush.style.height = canvas.offsetHeight + "px";
  }
});

function endDrag(event) {
  const done = drag;
  drag = null;
  brush.hidden = true;
  plot.classList.remove("panning");
  if (!done || event.type === "pointercancel") return;
  if (!done.moved) {
    const hit = stallAt(event);
    if (hit) openSite(hit.site, true);
    else if (state.site >= 0) openSite(-1);
  } else if (!done.panning) {
    const now = fractionAt(event), span = done.to - done.from;
    show(done.from + Math.min(done.at, now) * span, done.from + Math.max(done.at, now) * span);
  }
}
canvas.addEventListener("pointerup", endDrag);
canvas.addEventListener("pointercancel", endDrag);
canvas.addEventListener("pointerleave", hideTip);

plot.addEventListener("wheel", (event) => {
  const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
  const whole = state.to - state.from >= WHOLE * 0.999999;
  // With nothing left to zoom out of, or to pan to, the wheel scrolls the page.
  if (whole && (sideways || event.deltaY > 0)) return;
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
  if (sideways) pan((event.deltaX || event.deltaY) * unit / canvas.clientWidth);
  else zoom(Math.exp(Math.max(-240, Math.min(240, event.deltaY * unit)) * 0.0025), fractionAt(event));
}, {passive: false});

// In the overview, a click or a drag moves the window; over the whole run, there is nothing to move.
let sliding = false;
const slide = (event) => {
  const span = state.to - state.from, at = fractionAt(event) * WHOLE;
  show(at - span / 2, at + span / 2);
};
overview.addEventListener("pointerdown", (event) => { sliding = true; overview.setPointerCapture(event.pointerId); slide(event); });
overview.addEventListener("pointermove", (event) => { if (sliding) slide(event); });
for (const end of ["pointerup", "pointercancel"]) overview.addEventListener(end, () => { sliding = false; });

const keys = {
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "0": () => show(0, WHOLE), Home: () => show(0, WHOLE),
  ArrowLeft: () => pan(-0.15), ArrowRight: () => pan(0.15),
};
plot.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
byId("zoom-in").addEventListener("click", () => zoom(0.5));
byId("zoom-out").addEventListener("click", () => zoom(2));
byId("reset").addEventListener("click", () => show(0, WHOLE));
addEventListener("scroll", hideTip, {passive: true});

/** Zooms to the longest stall of a site that is kept one by one; false if none is. */
function showLongest(index) {
  const {start, held, site} = data.stalls;
  let best = -1;
  for (let stall = 0; stall < site.length; stall += 1) {
    if (site[stall] === index && (best < 0 || held[stall] > held[best])) best = stall;
  }
  if (best < 0) return false;
  const room = Math.max(held[best], 1) * 4;
  show(start[best] - room, start[best] + held[best] + room);
  plot.scrollIntoView({block: "nearest"});
  return true;
}
const hasStalls = new Set(data.stalls.site);
