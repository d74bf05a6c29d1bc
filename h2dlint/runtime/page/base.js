// The data, small helpers, and how figures are written. Names and source come from the traced program: they are only ever
// set as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

/** An element; children are elements or text. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "on") for (const [event, call] of Object.entries(value)) node.addEventListener(event, call);
    else if (name === "style") for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const grouped = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const fixed = [0, 1, 2, 3].map((digits) => new Intl.NumberFormat("en", {
  minimumFractionDigits: digits, maximumFractionDigits: digits,
}));
const number = (value) => grouped.format(value);
const NBSP = "\u00a0";

/** A time in the unit that suits it; the argument is in microseconds. */
function time(us, digits = 3) {
  if (us === 0) return "0" + NBSP + "s";
  const size = Math.abs(us);
  const [value, unit] = size >= 999500 ? [us / 1e6, "s"] : size >= 999.5 ? [us / 1e3, "ms"] : [us, "\u00b5s"];
  const whole = Math.max(1, Math.floor(Math.log10(Math.max(1, Math.abs(value)))) + 1);
  return fixed[Math.max(0, Math.min(3, digits - whole, unit === "\u00b5s" ? 1 : 3))].format(value) + NBSP + unit;
}

/** A moment of the run, precise enough that two in a stretch of `span` microseconds can be told apart. */
function moment(us, span) {
  const [unit, scale] = us >= 1e6 || span >= 1e6 ? ["s", 1e6] : us >= 1e3 || span >= 1e3 ? ["ms", 1e3] : ["\u00b5s", 1];
  const digits = Math.ceil(-Math.log10(Math.max(span, 1) / scale)) + 2;
  return (us / scale).toFixed(us === 0 ? 0 : Math.max(unit === "\u00b5s" ? 1 : 2, Math.min(7, digits))) + NBSP + unit;
}

/** A time in milliseconds, for columns: all in one unit, so that they can be compared. */
const millis = (us) => fixed[us < 1e4 ? 3 : us < 1e6 ? 2 : 1].format(us / 1e3);

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  while (count >= 1023.5 && step < units.length - 1) { count /= 1024; step += 1; }
  const text = step === 0 ? number(count) : fixed[count < 9.95 ? 2 : count < 99.5 ? 1 : 0].format(count);
  return text + NBSP + units[step];
}

function percent(part, whole) {
  if (!(whole > 0)) return "\u2013";
  const value = part / whole * 100;
  if (value > 0 && value < 0.01) return "<0.01" + NBSP + "%";
  return fixed[value >= 99.95 || value === 0 ? 0 : value >= 10 ? 1 : 2].format(value) + NBSP + "%";
}

/** Text in which what stands between backticks is code. */
const prose = (text) => text.split(/`([^`]+)`/).map((part, index) => index % 2 ? el("code", {}, part) : part);

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

const plural = (count, one, many = one + "s") => number(count) + " " + (count === 1 ? one : many);

/** The colour of a class, as a style sheet has it. */
function colour(index) {
  const kind = data.classes[index];
  return kind.kind === "rule" ? `var(--c${kind.colour})` : `var(--${kind.kind})`;
}

const swatch = (index) => el("span", {class: "swatch", style: {"--swatch": colour(index)}});

/** The line of a site that a user would look at; `null` for a thread that runs no Python. */
function userFrame(site) {
  if (!site.frames.length) return null;
  const [file, line, name] = data.frames[site.frames[site.user]];
  return {file: data.files[file], line, name};
}

const baseName = (path) => path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);

/** `file:line`, the line set apart. */
function place(file, line, short = file.short) {
  // A long path may be broken after a slash; elsewhere a column would be squeezed to a few letters.
  const parts = short.split(/(?<=[\\/])/).flatMap((part, index) => index ? [el("wbr"), part] : [part]);
  return el("span", {class: "place mono", title: file.path}, parts, el("span", {class: "line"}, ":" + line));
}

function sitePlace(site) {
  const frame = userFrame(site);
  return frame ? place(frame.file, frame.line) : el("span", {class: "muted"}, "no Python frame");
}

// What is selected and filtered; whoever shows it subscribes.
const state = {from: 0, to: Math.max(data.span, 1), site: -1, matches: null};
const listeners = [];
const changed = (what) => { for (const call of listeners) call(what); };
const isOn = (site) => state.site >= 0 ? site === state.site : !state.matches || state.matches[site];
