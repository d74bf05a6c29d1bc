// The table by site: sorting, filtering, and one row open at a time.

const COLUMNS = [
  {key: "class", title: "Rule", text: true, value: (site) => site.findings.length ? site.findings[0].code : data.classes[site.class].label},
  {key: "place", title: "Site", text: true, value: (site) => { const frame = userFrame(site); return frame ? `${frame.file.short}:${String(frame.line).padStart(7)}` : "~"; }},
  {key: "held", title: "Held, ms", value: (site) => site.held},
  {key: "blocked", title: "Count", value: (site) => site.count},
  {key: "max", title: "Longest, ms", value: (site) => site.max},
  {key: "bytes", title: "Bytes", value: (site) => site.bytes},
];
const VIEWS = [
  {key: "stalls", title: "Stalls", test: (site) => site.stalls, none: "No copy to the device held the host."},
  {key: "waits", title: "Other waits", test: (site) => site.kind === "wait", none: "No other waits were recorded."},
  {key: "free", title: "Copies that held nobody", test: (site) => site.kind !== "wait" && !site.stalls, none: "No such copies were recorded."},
];
const PAGE = 200;
const table = {sort: "held", down: true, view: "stalls", limit: PAGE, chosen: -1, text: ""};
const sitesBody = document.querySelector("#sites tbody");

/** What a filter looks through, in lower case. */
const haystacks = data.sites.map((site) => [
  site.operator, site.kind, data.classes[site.class].label, ...site.threads,
  ...site.findings.flatMap((item) => [item.code, item.name, item.message, item.hidden]),
  ...site.frames.flatMap((frame) => [data.files[data.frames[frame][0]].path, data.frames[frame][2]]),
  ...(userFrame(site) ? [`${userFrame(site).file.short}:${userFrame(site).line}`] : []),
].join("\n").toLowerCase());

function matching() {
  const words = table.text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length && table.chosen < 0) return null;
  return data.sites.map((site, index) => (table.chosen < 0 || site.class === table.chosen) &&
    words.every((word) => haystacks[index].includes(word)));
}

function ordered() {
  const column = COLUMNS.find((item) => item.key === table.sort), test = VIEWS.find((item) => item.key === table.view).test;
  const keys = data.sites.map(column.value);
  const compare = (a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : 0) * (table.down ? -1 : 1) || data.sites[b].held - data.sites[a].held || a - b;
  return data.sites.map((_, index) => index).filter((index) => test(data.sites[index]) && (!state.matches || state.matches[index])).sort(compare);
}

function drawHead() {
  document.querySelector("#sites thead").replaceChildren(el("tr", {}, COLUMNS.map((column) => {
    const on = table.sort === column.key, arrow = on ? (table.down ? " \u25be" : " \u25b4") : "";
    return el("th", {scope: "col", class: column.text ? "" : "number", "aria-sort": on ? (table.down ? "descending" : "ascending") : "none"},
      el("button", {type: "button", "data-sort": column.key, on: {click: () => sortBy(column)}}, column.title + arrow));
  })));
}

function sortBy(column) {
  table.down = table.sort === column.key ? !table.down : !column.text;
  table.sort = column.key;
  drawTable();
  document.querySelector(`[data-sort="${column.key}"]`).focus();
}

function siteRow(index, total) {
  const site = data.sites[index], frame = userFrame(site), open = state.site === index;
  const share = total ? Math.min(100, site.held / total * 100) : 0;
  const rule = site.findings.length ? site.findings[0].code + (site.findings.length > 1 ? ` +${site.findings.length - 1}` : "") : data.classes[site.class].label;
  return el("tr", {class: open ? "site open" : "site", "data-site": index, on: {click: (event) => {
    // A drag over text is a selection and not a click.
    if (getSelection().isCollapsed || event.detail === 0) openSite(open ? -1 : index);
  }}},
  el("td", {class: "rule"}, swatch(site.class), " ", rule),
  el("td", {class: "where"}, el("button", {type: "button", "aria-expanded": String(open)}, sitePlace(site)), " ",
    el("span", {class: "of"}, frame ? `${frame.name}, ` : "", site.operator),
    site.kind === "staged" ? [" ", el("span", {class: "tag", title: KIND_TEXT.staged}, "staged")] : "",
    site.compiling ? [" ", el("span", {class: "tag"}, "compiling")] : "",
    site.findings.length && !site.reported ? [" ", el("span", {class: "tag", title: "h2dlint check leaves it out"}, site.findings[0].hidden)] : ""),
  el("td", {class: "number share", title: `${percent(site.held, total)} of what is listed`, style: {"--share": share + "%", "--swatch": colour(site.class)}}, millis(site.held), el("i", {})),
  el("td", {class: "number", title: `${number(site.blocked)} of ${number(site.count)} held the host`}, number(site.count)),
  el("td", {class: "number"}, millis(site.max)),
  el("td", {class: "number"}, site.kind === "wait" ? "\u2013" : bytes(site.bytes)));
}

function drawTable() {
  drawHead();
  const indices = ordered();
  const total = data.sites.reduce((sum, site) => sum + (VIEWS.find((item) => item.key === table.view).test(site) ? site.held : 0), 0);
  const nodes = [];
  // The open row is shown wherever it stands.
  const wanted = Math.max(table.limit, indices.indexOf(state.site) + 1);
  for (const index of indices.slice(0, wanted)) {
    nodes.push(siteRow(index, total));
    if (index === state.site) nodes.push(el("tr", {class: "detail"}, el("td", {colspan: COLUMNS.length}, panel(index))));
  }
  sitesBody.replaceChildren(...nodes);
  const more = byId("more"), empty = byId("empty");
  more.hidden = indices.length <= wanted;
  more.textContent = `Show ${indices.length > wanted ? number(indices.length - wanted) : ""} more`;
  empty.hidden = indices.length > 0;
  empty.textContent = state.matches ? "No site matches the filter." : VIEWS.find((item) => item.key === table.view).none;
  for (const button of byId("views").children) button.setAttribute("aria-pressed", String(button.dataset.view === table.view));
  for (const button of byId("legend").children) button.setAttribute("aria-pressed", String(Number(button.dataset.class) === table.chosen));
}

/** Opens a row and highlights its stalls; -1 closes. */
function openSite(index, scroll = false) {
  if (index >= 0) {
    const site = data.sites[index];
    table.view = VIEWS.find((item) => item.test(site)).key;
    if (state.matches && !state.matches[index]) clearFilter();
  }
  const before = state.site;
  state.site = index;
  drawTable();
  redraw();
  const row = sitesBody.querySelector(`[data-site="${index >= 0 ? index : before}"]`);
  if (row) row.querySelector("button").focus({preventScroll: true});
  if (row && scroll) row.scrollIntoView({block: "nearest"});
}

function clearFilter() {
  table.text = byId("filter").value = "";
  table.chosen = -1;
  state.matches = null;
}

function applyFilter() {
  state.matches = matching();
  if (state.site >= 0 && state.matches && !state.matches[state.site]) state.site = -1;
  table.limit = PAGE;
  drawTable();
  redraw();
}

byId("filter").addEventListener("input", (event) => { table.text = event.target.value; applyFilter(); });
byId("more").addEventListener("click", () => { table.limit = Infinity; drawTable(); });
sitesBody.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const row = event.target.closest("tr.site");
  if (!row) return;
  const all = [...sitesBody.querySelectorAll("tr.site")], next = all[all.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)];
  if (next) { event.preventDefault(); next.querySelector("button").focus(); }
});
addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement;
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); byId("filter").focus(); }
  if (event.key === "Escape") {
    if (typing && byId("filter").value) { clearFilter(); applyFilter(); } else if (state.site >= 0) openSite(-1);
  }
});
