// Keeps the page's figures up to date. Without it the page shows what the server wrote.
// mass, count and percent write what service/web/figures.py writes; a test compares them.
"use strict";

const UNITS = [[10n ** 18n, "Gt"], [10n ** 15n, "Mt"], [10n ** 12n, "kt"], [10n ** 9n, "t"], [10n ** 6n, "kg"], [10n ** 3n, "g"], [1n, "mg"]];
const FIGURES = 4, SHARE_DECIMALS = 12, PERCENT_DECIMALS = SHARE_DECIMALS - 2;

function mass(milligrams) {
  const amount = BigInt(milligrams), size = amount < 0n ? -amount : amount;
  if (size === 0n) return ["0", "g"];
  const [unit, name] = UNITS.find(([one]) => size >= one);
  const decimals = Math.min(FIGURES - String(size / unit).length, String(unit).length - 1);
  const scale = 10n ** BigInt(decimals), shown = (size * scale) / unit;
  const part = decimals ? "." + String(shown % scale).padStart(decimals, "0") : "";
  return [(amount < 0n ? "−" : "") + shown / scale + part, name];
}

function count(number) {
  return String(number).replace("-", "−").replace(/\B(?=(\d{3})+$)/g, ",");
}

function percent(share) {
  const sign = share.startsWith("-") ? "−" : "";
  const [whole, part = ""] = share.replace("-", "").split(".");
  const shown = BigInt(whole + part.padEnd(SHARE_DECIMALS, "0").slice(0, SHARE_DECIMALS));
  const scale = 10n ** BigInt(PERCENT_DECIMALS), wholePercent = shown / scale;
  const decimals = String(shown % scale).padStart(PERCENT_DECIMALS, "0");
  const keep = wholePercent ? 2 : decimals.length - decimals.replace(/^0+/, "").length + 3;
  const kept = decimals.slice(0, keep).replace(/0+$/, "");
  return sign + count(wholePercent) + (kept ? "." + kept : "");
}

const massText = (milligrams) => mass(milligrams).join("\u00a0");
const at = (totals, path) => path.split(".").reduce((value, name) => value[name], totals);
const moment = (asOf) => asOf.slice(0, 10) + " " + asOf.slice(11, 19) + " UTC";

const WRITERS = {
  "mass": massText,
  "mass-number": (value) => mass(value)[0],
  "mass-unit": (value) => mass(value)[1],
  "count": count,
  "percent": percent,
  "required": (value) => (value === null ? "over" : massText(value)),
  "year": (value) => (value === null ? "not at this rate" : String(value)),
  "uncertainty": (value) => (value === null ? "not known yet" : "± " + value + " %"),
};
const KEYS = { by_activity: "activity", by_methodology: "methodology", by_evidence_level: "evidence_level", by_region: "region" };

const RELOAD_MS = 2000; // longer than any copy of the page is kept
let reloading = null;

function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function show(totals) {
  for (const place of document.querySelectorAll("[data-as]")) {
    const value = at(totals, place.dataset.path);
    if (place.dataset.as === "progress") {
      place.setAttribute("width", (BigInt(value.avoided_mg) * 100n) / BigInt(value.target_mg) + "%");
    } else {
      write(place, WRITERS[place.dataset.as](value));
    }
  }
  for (const [list, key] of Object.entries(KEYS)) showRows(list, key, totals[list]);
  const time = document.getElementById("as-of");
  time.dateTime = totals.as_of;
  write(time, moment(totals.as_of));
}

function showRows(list, key, found) {
  const rows = new Map();
  for (const row of document.querySelectorAll("[data-list=" + list + "]")) rows.set(row.dataset.key, row);
  if (found.length !== rows.size || found.some((one) => !rows.has(one[key]))) {
    // A new activity, version, level or region: the server writes its row.
    reloading ??= setTimeout(() => location.reload(), RELOAD_MS);
    return;
  }
  const largest = found.reduce((most, one) => (BigInt(one.avoided_mg) > most ? BigInt(one.avoided_mg) : most), 1n);
  for (const one of found) {
    const row = rows.get(one[key]), amount = BigInt(one.avoided_mg);
    write(row.querySelector("[data-cell=avoided_mg]"), massText(one.avoided_mg));
    write(row.querySelector("[data-cell=actions]"), count(one.actions));
    row.querySelector("rect").setAttribute("width", (amount > 0n ? (amount * 100n) / largest : 0n) + "%");
  }
}

function setState(isLive) {
  document.getElementById("live").classList.toggle("on", isLive);
  write(document.getElementById("state"), isLive ? "Live, as of" : "As of");
}

const POLL_MS = 15000;
let polling = null;

async function poll() {
  try {
    const answer = await fetch("/v1/totals");
    if (answer.ok) show(await answer.json());
  } catch {
    // Away for now: what is shown carries its own time.
  }
}

function listen() {
  if (!("EventSource" in window)) {
    polling = setInterval(poll, POLL_MS);
    return;
  }
  const stream = new EventSource("/v1/totals/stream");
  stream.onopen = () => {
    clearInterval(polling);
    polling = null;
    setState(true);
  };
  stream.addEventListener("totals", (event) => show(JSON.parse(event.data)));
  stream.onerror = () => {
    setState(false);
    polling ??= setInterval(poll, POLL_MS);
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, POLL_MS);
  };
  addEventListener("pagehide", () => stream.close(), { once: true });
  addEventListener("pageshow", (event) => event.persisted && listen(), { once: true });
}

const SVG = "http://www.w3.org/2000/svg";
const MONTHS_MIN = 6, MONTHS_MAX = 36, HEIGHT = 190, TOP = 22, BOTTOM = 24, LEFT = 4, LABEL = 52;

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Months without actions are left out of the series; in the chart they are gaps.
function withGaps(data) {
  const known = new Map(data.map((one) => [one.period, one]));
  let [year, month] = data.at(-1).period.split("-").map(Number);
  const found = [];
  while (found.length < MONTHS_MAX && (found.length < MONTHS_MIN || known.size > 0)) {
    const period = year + "-" + String(month).padStart(2, "0");
    found.unshift(known.get(period) ?? { period, avoided_mg: "0", actions: 0 });
    known.delete(period);
    [year, month] = month === 1 ? [year - 1, 12] : [year, month - 1];
  }
  return found;
}

function draw(place, periods) {
  const width = Math.max(260, place.clientWidth), inner = width - LEFT, floor = HEIGHT - BOTTOM;
  const amounts = periods.map((one) => (BigInt(one.avoided_mg) > 0n ? BigInt(one.avoided_mg) : 0n));
  const largest = amounts.reduce((most, one) => (one > most ? one : most), 1n);
  const svg = element("svg", { viewBox: "0 0 " + width + " " + HEIGHT, height: HEIGHT, role: "img", "aria-labelledby": "chart-text" });
  svg.append(element("line", { class: "line", x1: 0, x2: width, y1: TOP, y2: TOP }));
  svg.append(element("line", { class: "line", x1: 0, x2: width, y1: floor, y2: floor }));
  svg.append(element("text", { x: 0, y: TOP - 7 }, massText(String(largest))));
  const step = inner / periods.length, every = Math.ceil(periods.length / Math.max(2, Math.floor(width / 74)));
  periods.forEach((one, place) => {
    const height = Number((amounts[place] * 10000n) / largest) / 10000 * (floor - TOP);
    const bar = element("rect", { x: LEFT + place * step + step * 0.1, width: step * 0.8, y: floor - height, height, rx: Math.min(3, step * 0.2) });
    bar.append(element("title", {}, one.period + ": " + massText(one.avoided_mg) + ", " + count(one.actions) + " actions"));
    svg.append(bar);
    const x = LEFT + place * step + step * 0.1;
    if (place % every === 0 && x + LABEL <= width) svg.append(element("text", { x, y: HEIGHT - 7 }, one.period));
  });
  place.replaceChildren(svg);
}

async function chart() {
  const place = document.getElementById("chart-place");
  const answer = await fetch("/v1/totals/series?by=month");
  const { data } = answer.ok ? await answer.json() : { data: [] };
  if (data.length === 0) {
    place.textContent = "Nothing yet.";
    return;
  }
  const periods = withGaps(data), first = periods[0].period, last = periods.at(-1);
  write(document.getElementById("chart-text"), "Estimated avoided emissions by month of the action, " + first + " to " + last.period + "; in the last month " + massText(last.avoided_mg) + ".");
  let drawn = 0;
  new ResizeObserver(() => {
    if (place.clientWidth !== drawn) draw(place, periods);
    drawn = place.clientWidth;
  }).observe(place);
}

if (typeof document !== "undefined") {
  listen();
  chart().catch(() => write(document.getElementById("chart-text"), "The series cannot be read at the moment."));
} else {
  module.exports = { mass, count, percent };
}
