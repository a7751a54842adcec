// Draws what the server tells: one row for each message, oldest first.

const LANES = ["client", "cloudfront", "gate", "facilitator", "worker 1", "worker 2", "redis"];
const ROW = 30; // pixels
const SHOWN = 2000; // rows; older ones go
const SVG = "http://www.w3.org/2000/svg";

const element = (id) => document.getElementById(id);
const drawing = element("drawing");
const rows = element("rows");
const scroll = element("scroll");
const said = element("said");
const dialog = element("message");

let waiting = []; // messages that are not drawn yet
let gone = 0; // rows that went

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function middleOf(lane) {
  return ((LANES.indexOf(lane) + 0.5) / LANES.length) * 100;
}

function named(lane) {
  return { cloudfront: "CloudFront", redis: "Redis" }[lane] ?? lane;
}

function describe(message) {
  const { from, to, title, failed } = message;
  const what = from === to ? `${named(from)}: ${title}` : `${named(from)} to ${named(to)}: ${title}`;
  return failed ? `${what} (failure)` : what;
}

// Text begins where there is room for it: most of it is longer than its arrow.
function placeOf(left, right) {
  return left + right < 100 ? [left, "start"] : [right, "end"];
}

function rowOf(message, number) {
  const row = svg("g", {
    class: message.failed ? "row failed" : "row",
    transform: `translate(0 ${number * ROW})`,
    role: "button",
    tabindex: "-1",
    "aria-label": describe(message),
  });
  row.message = message;
  row.append(svg("rect", { x: 1, y: 1, width: "99.5%", height: ROW - 2, rx: 3 }));
  const [from, to] = [middleOf(message.from), middleOf(message.to)];
  const label = svg("text", {});
  label.textContent = message.title;
  if (from === to) {
    const isLeft = from < 50;
    row.append(svg("circle", { cx: `${from}%`, cy: ROW / 2, r: 4 }));
    label.setAttribute("x", `${from}%`);
    label.setAttribute("dx", isLeft ? 9 : -9);
    label.setAttribute("y", ROW / 2 + 4);
    label.setAttribute("text-anchor", isLeft ? "start" : "end");
  } else {
    const tip = message.failed ? "url(#failed-tip)" : "url(#tip)";
    const line = svg("line", { x1: `${from}%`, x2: `${to}%`, y1: 22, y2: 22, "marker-end": tip });
    if (message.to === "redis") line.setAttribute("marker-start", tip); // a call and its answer
    row.append(line);
    const [x, anchor] = placeOf(Math.min(from, to), Math.max(from, to));
    label.setAttribute("x", `${x}%`);
    label.setAttribute("dx", anchor === "start" ? 4 : -4);
    label.setAttribute("y", 14);
    label.setAttribute("text-anchor", anchor);
  }
  row.append(label);
  return row;
}

function draw() {
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 2 * ROW;
  const number = gone + rows.childElementCount;
  rows.append(...waiting.map((message, index) => rowOf(message, number + index)));
  waiting = [];
  while (rows.childElementCount > SHOWN) {
    if (rows.firstChild === document.activeElement) rows.children[1].focus();
    rows.firstChild.remove();
    gone += 1;
  }
  rows.setAttribute("transform", `translate(0 ${-gone * ROW})`);
  drawing.setAttribute("height", rows.childElementCount * ROW + 8);
  if (!rows.querySelector('[tabindex="0"]')) rows.firstElementChild?.setAttribute("tabindex", "0");
  if (atEnd) follow();
}

function follow() {
  if (!rows.contains(document.activeElement)) scroll.scrollTop = scroll.scrollHeight;
}

function say(text, kind) {
  const line = document.createElement("p");
  line.textContent = text;
  line.className = kind;
  said.append(line);
  while (said.childElementCount > 300) said.children[1].remove();
  said.scrollTop = said.scrollHeight;
}

function open(row) {
  const { message } = row;
  element("message-title").textContent = message.title;
  const at = new Date(message.at * 1000).toISOString().slice(11, 23);
  const way = message.from === message.to ? named(message.from) : `${named(message.from)} → ${named(message.to)}`;
  element("message-facts").textContent = `${way}, ${at} UTC, written by process ${message.pid}`;
  const lines = message.headers.map(([name, value]) => {
    const line = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    const cell = document.createElement("td");
    cell.textContent = value;
    line.append(head, cell);
    return line;
  });
  const isHttp = message.from !== message.to && message.to !== "redis";
  element("message-caption").textContent = isHttp ? "Headers" : "Facts";
  element("message-headers").replaceChildren(...lines);
  element("message-body").textContent = message.body || "(none)";
  dialog.showModal();
}

function moveTo(row) {
  if (!row) return;
  rows.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
  row.setAttribute("tabindex", "0");
  row.focus();
  row.scrollIntoView({ block: "nearest" });
}

drawing.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row) return;
  moveTo(row);
  open(row);
});

drawing.addEventListener("keydown", (event) => {
  const row = event.target.closest(".row");
  if (!row) return;
  const next = {
    ArrowDown: () => moveTo(row.nextElementSibling),
    ArrowUp: () => moveTo(row.previousElementSibling),
    Home: () => moveTo(rows.firstElementChild),
    End: () => moveTo(rows.lastElementChild),
    Enter: () => open(row),
    " ": () => open(row),
  }[event.key];
  if (!next) return;
  event.preventDefault();
  next();
});

element("controls").addEventListener("click", async (event) => {
  const button = event.target.closest("[data-step]");
  if (!button) return;
  // The server knows whether it can be pressed now, and says why not.
  const answer = await fetch(`/press/${button.dataset.step}`, { method: "POST" }).catch(() => null);
  if (!answer?.ok) say(answer ? await answer.text() : "The demo has ended.", "fails");
});

for (const lane of LANES) {
  const x = `${middleOf(lane)}%`;
  element("lines").append(svg("line", { x1: x, x2: x, y1: 0, y2: "100%" }));
}

const events = new EventSource("/events");
const on = (kind, handle) => events.addEventListener(kind, (event) => handle(JSON.parse(event.data)));

on("message", (message) => {
  if (waiting.push(message) === 1) requestAnimationFrame(draw);
});
on("step", ({ label, title }) => {
  say(`${label}: ${title}`, "step");
  follow();
});
on("said", ({ text }) => say(text, ""));
on("verdict", ({ holds, text }) => say(`${holds ? "✓" : "✗"} ${text}`, holds ? "holds" : "fails"));
on("state", (state) => {
  for (const name of ["payments", "effects", "settlements"]) element(name).textContent = state[name];
  for (const button of document.querySelectorAll("[data-step]")) {
    button.setAttribute("aria-disabled", String(Boolean(state.reasons[button.dataset.step])));
  }
});
events.addEventListener("open", () => { element("connection").textContent = "Press a button."; });
events.addEventListener("error", () => { element("connection").textContent = "Not connected: does `make serve` still run?"; });
