// What opens under a row: figures, the chain of calls with its source, and the rule with the proposed fix.

const KIND_TEXT = {
  sync: "the host waits for the copy, and for all work queued before it",
  staged: "a copy from pageable memory that nobody waits for; the driver stages it, and may hold the host meanwhile",
  async: "a copy from pinned memory that nobody waits for",
  wait: "a wait for the device that is no copy to it",
};
const FIX_TEXT = {safe: "safe fix", unsafe: "unsafe fix: --unsafe-fixes applies it", "display-only": "advice"};
const LIBRARY = /(^|[\\/])(torch|contextlib\.py|threading\.py|runpy\.py)([\\/]|$)|^<frozen /;

const fact = (name, value) => el("span", {}, name + " ", el("b", {}, value));

function sourceLines(site) {
  if (!site.source.length) return null;
  return el("pre", {class: "source code", tabindex: "0", "aria-label": "Source"}, site.source.map(([line, text, from, to]) =>
    el("span", {class: to > from ? "hit" : ""}, el("span", {class: "n"}, String(line)),
      text.slice(0, from), to > from ? el("mark", {}, text.slice(from, to)) : "", text.slice(Math.max(from, to)), "\n")));
}

function frameItem(site, position) {
  const [file, line, name, text] = data.frames[site.frames[position]];
  const isUser = position === site.user;
  return el("li", {class: isUser ? "user" : ""}, place(data.files[file], line), " ", el("span", {class: "of"}, name),
    isUser && site.source.length ? sourceLines(site) : text ? el("pre", {class: "code"}, el("span", {}, text)) : null);
}

/** The frames, innermost first; what is torch's own, and what is far out, is folded. */
function chain(site) {
  if (!site.frames.length) return el("p", {class: "muted"}, "No Python code was running on this thread.");
  const items = site.frames.map((_, position) => frameItem(site, position));
  const list = (from, to) => el("ol", {class: "chain"}, items.slice(from, to));
  const folded = (from, to, what) => to > from
    ? el("details", {}, el("summary", {}, `${plural(to - from, "frame")} ${what}`), list(from, to)) : null;
  const near = Math.min(site.frames.length, site.user + 6);
  const last = site.frames.length - near > 2 ? near : site.frames.length;
  return el("div", {}, folded(0, site.user, "further in, of a library"), list(site.user, last),
    folded(last, site.frames.length, "further out"));
}

function diffText(lines) {
  const kinds = {"+": "add", "-": "del", "@": "hunk"};
  return el("pre", {class: "diff code", tabindex: "0", "aria-label": "Proposed change"},
    lines.map((line) => el("span", {class: kinds[line[0]] || ""}, (line || " ") + "\n")));
}

/** A rule, its message and what to do about it. */
function reportedBlock(item) {
  const badges = [`${item.context} code`, `${item.confidence} confidence`];
  return el("div", {class: "reported"},
    el("p", {class: "message"}, el("b", {}, item.code), ` ${item.name}`),
    el("p", {class: "message"}, prose(item.message)),
    el("p", {class: "message"}, place(data.files[item.file], item.line), " ", badges.map((text) => [el("span", {class: "tag"}, text), " "])),
    item.hidden ? el("p", {class: "notice"}, `h2dlint check leaves this out: ${item.hidden}`) : null,
    item.note ? el("p", {class: "muted"}, prose(item.note)) : null,
    item.evidence.length ? el("details", {}, el("summary", {}, "Evidence"), el("ul", {class: "plain"}, item.evidence.map((line) => el("li", {}, prose(line))))) : null,
    item.fix ? el("p", {class: "message"}, el("b", {}, prose(item.fix.title)), ` (${FIX_TEXT[item.fix.applicability]})`) : el("p", {class: "muted"}, "There is no automatic fix."),
    item.diff.length ? diffText(item.diff) : null,
    item.fix && item.fix.reasons.length ? el("ul", {class: "plain"}, item.fix.reasons.map((line) => el("li", {}, prose(line)))) : null);
}

function rulePart(site) {
  if (site.findings.length) {
    return el("div", {}, el("h3", {}, site.findings.some((item) => item.diff.length) ? "Rule and proposed fix" : "Rule"),
      site.findings.map(reportedBlock));
  }
  return el("div", {}, el("h3", {}, "Not reported"), el("p", {class: "message"},
    site.kind === "wait" ? "Not a copy to the device, so no rule of h2dlint is about it. The host waits here for results." :
      site.stalls ? sentence(site.reason || "no rule of the linter matches this place") : "This copy held nobody, so there is nothing to report."));
}

function panel(index) {
  const site = data.sites[index], frame = userFrame(site), copies = site.kind === "wait" ? "wait" : "copy";
  const facts = [
    copies === "wait" ? fact("waits", number(site.count)) : fact("held the host", `${number(site.blocked)} of ${plural(site.count, "copy", "copies")}`),
    fact("in all", time(site.held)),
    fact("mean", time(site.count ? site.held / site.count : 0)),
    fact("longest", time(site.max)),
    copies === "copy" ? fact("moved", `${bytes(site.bytes)}, ${bytes(site.count ? site.bytes / site.count : 0)} each`) : null,
    copies === "copy" ? fact("host memory", site.pinned ? "pinned" : "pageable") : null,
    fact("streams", number(site.streams)),
    site.threads.length ? fact(site.threads.length === 1 ? "thread" : "threads", site.threads.join(", ")) : null,
    data.processes.length > 1 ? fact("processes", site.processes.map((process) => data.processes[process].pid).join(", ")) : null,
  ];
  return el("div", {class: "panel", style: {"--swatch": colour(site.class)}},
    el("div", {class: "wide facts"}, facts, hasStalls.has(index)
      ? el("button", {type: "button", class: "link jump", on: {click: () => showLongest(index)}}, "Show the longest in the time line") : null),
    el("p", {class: "wide muted", style: {margin: "0"}}, `${site.operator}: ${KIND_TEXT[site.kind]}.`,
      site.compiling ? " It came up while torch.compile was at work: a cost of compiling, not of each step." : ""),
    frame && frame.file.newer ? el("p", {class: "wide notice"}, `${frame.file.short} was written after the recording began: its lines may not be those that ran.`) : null,
    el("div", {}, el("h3", {}, "Calls, innermost first"), chain(site)), rulePart(site));
}
