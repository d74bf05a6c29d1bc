// Headline figures, notes, legend, and the sections below the table; then everything is drawn.

const stalling = data.sites.filter((site) => site.stalls);
const sum = (sites, key) => sites.reduce((total, site) => total + site[key], 0);

function drawHeader() {
  byId("command").textContent = data.command;
  const kinds = (key) => [...new Set(data.processes.map((process) => process[key]).filter(Boolean))].join(", ");
  byId("facts").textContent = [data.recorded && `Recorded ${data.recorded}`, data.processes.length && plural(data.processes.length, "process", "processes"),
    kinds("gpu"), kinds("torch") && `torch ${kinds("torch")}`, kinds("python") && `Python ${kinds("python")}`].filter(Boolean).join(" \u00b7 ");
}

function drawHeadline() {
  const waits = data.sites.filter((site) => site.kind === "wait"), copies = data.sites.filter((site) => site.kind !== "wait");
  const known = stalling.filter((site) => site.reported), wall = sum(data.processes, "wall");
  const longest = stalling.reduce((most, site) => Math.max(most, site.max), 0);
  const tiles = [
    ["Blocking copies", number(data.blocking), `of ${plural(sum(copies, "count"), "copy", "copies")} to the device`],
    ["Host time held by them", time(data.held), longest ? `the longest ${time(longest)}` : "none"],
    ["Share of the recorded time", percent(data.held, wall), `of ${time(wall)}${data.processes.length > 1 ? ` in ${data.processes.length} processes, added up` : ""}`],
    ["Reported by h2dlint check", percent(sum(known, "held"), data.held), `of the time held: ${known.length} of ${plural(stalling.length, "site")}`],
    ["Other waits for the device", time(data.waited), waits.length ? `${plural(sum(waits, "count"), "wait")} at ${plural(waits.length, "site")}` : "none recorded"],
  ];
  byId("headline").replaceChildren(...tiles.map(([name, value, under]) => {
    const [figure, unit] = value.split(NBSP);
    return el("div", {}, el("div", {class: "name"}, name), el("div", {class: "value"}, figure, unit ? el("small", {}, NBSP + unit) : ""), el("div", {class: "under"}, under));
  }));
}

function drawNotes() {
  const notes = [];
  if (!data.processes.length) notes.push("The trace is empty: no process of this run used CUDA, or none was recorded.");
  else if (!data.blocking) notes.push("No copy to the device held the host in this run.");
  if (data.source === "chrome") notes.push("Read from a trace of torch.profiler: frames are functions, and their lines are those at which the functions begin.");
  notes.push(...data.notes);
  for (const process of data.processes) {
    if (process.note) notes.push(`Process ${process.pid}: ${process.note}`);
    if (process.dropped) notes.push(`Process ${process.pid}: ${plural(process.dropped, "stall")} more than a trace keeps one by one; the table counts them, the time line does not show them.`);
  }
  byId("notes").replaceChildren(...notes.map((text) => el("p", {class: "notice"}, text)));
}

function drawLegend() {
  const used = new Set(data.sites.filter((site) => site.stalls || site.kind === "wait").map((site) => site.class));
  byId("legend").replaceChildren(...data.classes.map((kind, index) => used.has(index) ? el("button", {type: "button", "data-class": index, "aria-pressed": "false",
    title: kind.name, on: {click: () => {
      table.chosen = table.chosen === index ? -1 : index;
      if (table.chosen >= 0) table.view = kind.kind === "wait" ? "waits" : "stalls";
      applyFilter();
    }}}, swatch(index), kind.kind === "rule" ? `${kind.label} ${kind.name}` : kind.kind === "none" ? "no rule reports it" : kind.label) : null).filter(Boolean));
}

function drawViews() {
  byId("views").replaceChildren(...VIEWS.map((view) => el("button", {type: "button", "data-view": view.key, on: {click: () => {
    table.view = view.key;
    table.limit = PAGE;
    if (state.site >= 0 && !view.test(data.sites[state.site])) { state.site = -1; redraw(); }
    drawTable();
  }}}, `${view.title} (${number(data.sites.filter(view.test).length)})`)));
}

function listing(heads, lines) {
  return el("div", {class: "scroll"}, el("table", {class: "listing"}, el("thead", {}, el("tr", {}, heads.map((head) =>
    el("th", {scope: "col", class: head.number ? "plain number" : "plain"}, head.title || head)))), el("tbody", {}, lines)));
}

function drawUnreported() {
  const sites = data.sites.map((site, index) => [site, index]).filter(([site]) => site.stalls && !site.reported);
  if (!sites.length) return;
  const held = sum(sites.map(([site]) => site), "held");
  byId("unreported").hidden = false;
  byId("unreported").replaceChildren(el("h2", {}, "Blocked, but not reported by h2dlint check"),
    el("p", {class: "muted"}, `${plural(sites.length, "site")}, ${time(held)}, ${percent(held, data.held)} of the time held by copies.`),
    listing(["Site", "What copies", {title: "Held, ms", number: true}, "Why it is not reported"], sites.slice(0, PAGE).map(([site, index]) => el("tr", {},
      el("td", {class: "where"}, el("button", {type: "button", on: {click: () => openSite(index, true)}}, sitePlace(site))),
      el("td", {class: "mono"}, site.operator), el("td", {class: "number"}, millis(site.held)), el("td", {class: "muted text"}, site.findings.length ? `${site.findings[0].code}, left out: ${site.findings[0].hidden}` : site.reason || "no rule matches")))),
    sites.length > PAGE ? el("p", {class: "muted"}, `and ${number(sites.length - PAGE)} more in the table above`) : "");
}

const STATUS = [
  ["ran-without-blocking", "Ran without blocking", "These lines ran, and no copy under them held the host: a different device, a value that was there already, or a false alarm."],
  ["ran", "Ran (races)", "These rules are about races, which a trace cannot see; it says only that the lines ran."],
  ["never-ran", "Never ran", "These lines did not run in this program, so this trace says nothing of them."],
  ["unknown", "Not known whether they ran", "Which lines ran was not recorded (it is from Python 3.12 on); nothing blocked there."],
];

function drawQuiet() {
  if (!data.extra.length) return;
  const known = STATUS.map(([status]) => status);
  const others = [...new Set(data.extra.map((item) => item.status))].filter((status) => !known.includes(status));
  const groups = [...STATUS, ...others.map((status) => [status, status, ""])].map(([status, title, text]) => [status, title, text, data.extra.filter((item) => item.status === status)]).filter((group) => group[3].length);
  byId("quiet").hidden = false;
  byId("quiet").replaceChildren(el("h2", {}, "Reported by the linter, but nothing blocked there"), ...groups.map(([status, title, text, items]) => {
    const box = el("details", {class: "group", "data-status": status}, el("summary", {}, el("b", {}, title), ` (${number(items.length)})`));
    box.open = status === "ran-without-blocking" && items.length <= 50;
    const fill = () => { if (box.children.length === 1) box.append(text ? el("p", {class: "muted"}, text) : "", listing(["Rule", "Place", "Finding", ""], items.map((item) => el("tr", {},
      el("td", {class: "rule"}, item.code), el("td", {class: "where"}, place(data.files[item.file], item.line), " ", el("span", {class: "of"}, item.function)),
      el("td", {class: "text"}, prose(item.message), item.copies ? el("div", {class: "muted"}, `${plural(item.copies, "copy", "copies")} made there, none of which held the host`) : "", item.note ? el("div", {class: "muted"}, prose(item.note)) : ""),
      el("td", {class: "rule"}, item.hidden ? el("span", {class: "tag", title: "h2dlint check leaves it out"}, item.hidden) : ""))))); };
    box.addEventListener("toggle", fill);
    if (box.open) fill();
    return box;
  }));
}

function drawProcesses() {
  if (!data.processes.length) return;
  byId("processes").hidden = false;
  byId("processes").replaceChildren(el("h2", {}, "What was recorded"), listing([{title: "Process", number: true}, "Command", "Device", "torch", "Python", {title: "Began at", number: true}, {title: "Recorded for", number: true}],
    data.processes.map((process) => el("tr", {}, el("td", {class: "number"}, String(process.pid)), el("td", {class: "where mono"}, process.argv), el("td", {}, process.gpu), el("td", {}, process.torch), el("td", {}, process.python),
      el("td", {class: "number"}, time(process.start)), el("td", {class: "number"}, time(process.wall))))));
}

byId("host").hidden = !data.lanes.length;
drawHeader();
drawHeadline();
drawNotes();
drawLegend();
drawViews();
drawUnreported();
drawQuiet();
drawProcesses();
drawTable();
drawLabels();
draw();
new ResizeObserver(redraw).observe(plot);
for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", draw);
document.documentElement.dataset.ready = "yes";
