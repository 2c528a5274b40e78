// Draws the API's documentation from /openapi.json. Nothing comes from elsewhere, nothing is sent.
"use strict";

const ORDER = ["Events", "Actions", "People and points", "Trees", "Totals", "Methodologies", "Operations"];
const DEPTH_MAX = 3;
const PLACEHOLDER_KEY = "$SAXAUL_KEY";
let spec = null;

const EVENT = {
  specversion: "1.0", id: "ride-0001", source: "metro-bj", type: "transit.metro", subject: "alice",
  time: new Date(Date.now() + 8 * 3600e3).toISOString().slice(0, 19) + "+08:00",
  data: { distance_km: "12.4", trip_id: "trip-0001", region: "CN" },
};
const EXAMPLES = {
  CloudEvent: EVENT,
  EventResult: {
    source: "metro-bj", id: "ride-0001", action_id: "019aa9f0-3c1e-7d52-9b7c-54a1d2a1188f", outcome: "credited", duplicate: false,
    avoided_mg: "794592", points: 794, methodology: "transit.metro@1.0.0", evidence_level: "L1", scope: "3+",
    local_day: EVENT.time.slice(0, 10), ripens_at: "the next day, 07:00 local time", reason: null, detail: null,
  },
};
const VALUES = { subject: "alice", action_id: "019aa9f0-3c1e-7d52-9b7c-54a1d2a1188f", methodology_id: "transit.metro", version: "1.0.0", project_id: "alxa-saxaul", code: "event-conflict" };

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Text with `code` and **strong** marks, as nodes: no HTML is ever made from text.
function prose(text) {
  return text.split(/(`[^`]+`)/).map((part) => (part.startsWith("`") && part.length > 2 ? make("code", {}, part.slice(1, -1)) : part));
}

function resolve(schema) {
  const name = schema?.$ref?.split("/").at(-1);
  return name ? { name, schema: spec.components.schemas[name] ?? {} } : { name: null, schema: schema ?? {} };
}

// [the schema that matters, whether null is allowed]
function withoutNull(given) {
  const some = given.anyOf ?? given.oneOf;
  if (!some) return [given, false];
  const left = some.filter((one) => one.type !== "null");
  return [left.length === 1 ? { ...given, anyOf: undefined, oneOf: undefined, ...left[0] } : { ...given, anyOf: left }, left.length < some.length];
}

function typeOf(given) {
  const [one, isNullable] = withoutNull(given);
  const { name, schema } = resolve(one);
  const some = schema.anyOf ?? schema.oneOf;
  let text = name ?? schema.type ?? "anything";
  if (some && !name) text = [...new Set(some.map(typeOf))].join(" or ");
  if (schema.const !== undefined) text = JSON.stringify(schema.const);
  if (schema.enum) text = schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") text = "list of " + typeOf(schema.items ?? {});
  if (schema.format && !schema.enum) text = schema.format;
  if (schema.pattern === "^-?[0-9]+$") text = "decimal string";
  return text + (isNullable ? " or null" : "");
}

function limitsOf(given) {
  const { schema } = resolve(withoutNull(given)[0]);
  const found = [];
  if (schema.minLength !== undefined || schema.maxLength !== undefined) found.push(`${schema.minLength ?? 0} to ${schema.maxLength ?? "any number of"} characters`);
  if (schema.minimum !== undefined) found.push("at least " + schema.minimum);
  if (schema.maximum !== undefined) found.push("at most " + schema.maximum);
  if (schema.maxItems !== undefined) found.push(`at most ${schema.maxItems} items`);
  if (schema.maxProperties !== undefined) found.push(`at most ${schema.maxProperties} fields`);
  if (schema.default !== undefined && schema.default !== null) found.push("default " + JSON.stringify(schema.default));
  return found.join(", ");
}

function exampleOf(given, depth = 0) {
  const [one] = withoutNull(given);
  const { name, schema } = resolve(one);
  if (name && EXAMPLES[name]) return EXAMPLES[name];
  if (schema.example !== undefined) return schema.example;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const some = schema.anyOf ?? schema.oneOf;
  if (some) return exampleOf(some[0], depth);
  if (schema.type === "array") return depth > DEPTH_MAX ? [] : [exampleOf(schema.items ?? {}, depth + 1)];
  if (schema.type === "object" || schema.properties) {
    const fields = depth > DEPTH_MAX ? [] : Object.entries(schema.properties ?? {});
    return Object.fromEntries(fields.map(([key, field]) => [key, exampleOf(field, depth + 1)]));
  }
  if (schema.format === "date-time") return EVENT.time;
  if (schema.format === "date") return EVENT.time.slice(0, 10);
  if (schema.format === "uuid") return VALUES.action_id;
  return { string: schema.pattern ? "794592" : "...", integer: 0, number: 0, boolean: false }[schema.type] ?? null;
}

function fieldRows(given, depth, seen) {
  let [one] = withoutNull(given);
  if (resolve(one).schema.type === "array") one = withoutNull(resolve(one).schema.items ?? {})[0];
  const { name, schema } = resolve(one);
  const some = schema.anyOf ?? schema.oneOf;
  if (some) return some.flatMap((each) => fieldRows(each, depth, seen));
  if (!schema.properties || depth > DEPTH_MAX || seen.includes(name)) return [];
  return Object.entries(schema.properties).flatMap(([key, field]) => {
    const must = schema.required?.includes(key) ? make("span", { class: "must" }, " required") : "";
    const said = field.description ?? "";
    const row = make("tr", { class: "depth-" + depth }, make("th", { scope: "row" }, make("code", {}, key), must), make("td", {}, typeOf(field)), make("td", {}, ...prose(said), said && limitsOf(field) ? " " : "", make("small", {}, limitsOf(field))));
    return [row, ...fieldRows(field, depth + 1, [...seen, name])];
  });
}

function fields(schema) {
  const rows = fieldRows(schema, 0, []);
  return rows.length ? make("div", { class: "scroll" }, make("table", { class: "field" }, make("tbody", {}, ...rows))) : "";
}

function codeBlock(text) {
  const pre = make("pre", { tabindex: "0" }, text);
  const button = make("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(pre.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return make("div", { class: "code" }, pre, button);
}

function parameters(operation) {
  if (!operation.parameters?.length) return "";
  const rows = operation.parameters.map((one) => {
    const must = one.required ? make("span", { class: "must" }, " required") : "";
    const said = one.description ?? one.schema?.description ?? "";
    return make("tr", {}, make("th", { scope: "row" }, make("code", {}, one.name), must), make("td", {}, `${one.in}, ${typeOf(one.schema ?? {})}`), make("td", {}, ...prose(said), said ? " " : "", make("small", {}, limitsOf(one.schema ?? {}))));
  });
  return make("div", {}, make("h3", {}, "Parameters"), make("div", { class: "scroll" }, make("table", { class: "field" }, make("tbody", {}, ...rows))));
}

const needsKey = (operation) => (operation.security ?? []).length > 0;
const shell = (text) => "'" + text.replaceAll("'", "'\\''") + "'";

function curl(path, verb, operation) {
  const address = location.origin + path.replace(/\{(\w+)\}/g, (_, name) => VALUES[name] ?? name);
  const required = (operation.parameters ?? []).filter((one) => one.in === "query" && one.required);
  const query = required.map((one) => `${one.name}=${encodeURIComponent(exampleOf(one.schema ?? {}))}`).join("&");
  const lines = ["curl -s" + (path.endsWith("/stream") ? "N" : "") + (verb === "post" && !operation.requestBody ? " -X POST " : " ") + shell(address + (query ? "?" + query : ""))];
  if (needsKey(operation)) {
    const key = document.getElementById("key").value.trim();
    lines.push(key ? `-H ${shell("Authorization: Bearer " + key)}` : `-H "Authorization: Bearer ${PLACEHOLDER_KEY}"`);
  }
  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (type) lines.push(`-H ${shell("Content-Type: " + type)}`, `-d ${shell(JSON.stringify(exampleOf(content.schema)))}`);
  return lines.join(" \\\n  ");
}

function body(operation) {
  if (!operation.requestBody) return "";
  const { description = "", content } = operation.requestBody;
  const types = Object.keys(content);
  return make("div", {}, make("h3", {}, "Body"), make("p", {}, ...prose(description)), make("p", {}, make("small", {}, types.join(", "))), fields(content[types[0]].schema));
}

function responses(operation) {
  const found = Object.entries(operation.responses ?? {}).map(([status, response]) => {
    const [type, content] = Object.entries(response.content ?? {})[0] ?? [];
    const said = { "Successful Response": "", "Validation Error": "A field is wrong; `errors` points to it." }[response.description] ?? response.description ?? "";
    const head = make("p", {}, make("span", { class: "status" }, status), " ", ...prose(said), type ? make("small", {}, " " + type) : "");
    if (status >= "400" || !content?.schema || type !== "application/json") return make("div", {}, head);
    const table = fields(content.schema);
    return make("div", {}, head, codeBlock(JSON.stringify(exampleOf(content.schema), null, 2)), table && make("details", { class: "more" }, make("summary", {}, "Fields"), table));
  });
  return make("div", {}, make("h3", {}, "Answers"), ...found);
}

function fill(place, path, verb, operation) {
  const [first, ...rest] = (operation.description ?? operation.summary ?? "").split("\n\n");
  place.replaceChildren(
    make("p", {}, ...prose(first)), ...rest.map((text) => make("p", {}, ...prose(text))),
    parameters(operation), body(operation),
    make("h3", {}, "Example"), codeBlock(curl(path, verb, operation)),
    responses(operation),
  );
}

function address(path, verb, operation) {
  const inside = make("div", { class: "inside" });
  const short = (operation.description ?? operation.summary ?? "").split(/(?<=\.)\s/)[0];
  const made = make("details", { class: "address", id: operation.operationId },
    make("summary", {}, make("span", { class: "verb " + verb }, verb.toUpperCase()), make("code", { class: "path" }, path), make("small", {}, ...prose(short))), inside);
  made.dataset.words = `${verb} ${path} ${short} ${operation.tags?.join(" ")}`.toLowerCase();
  made.addEventListener("toggle", () => made.open && fill(inside, path, verb, operation));
  return made;
}

function drawAll() {
  const byTag = new Map(ORDER.map((tag) => [tag, []]));
  for (const [path, verbs] of Object.entries(spec.paths)) {
    for (const [verb, operation] of Object.entries(verbs)) {
      const tag = operation.tags?.[0] ?? "Other";
      byTag.set(tag, [...(byTag.get(tag) ?? []), [path, verb, operation]]);
    }
  }
  const tags = [...byTag].filter(([, found]) => found.length);
  document.getElementById("version").textContent = spec.info.version;
  document.getElementById("tags").replaceChildren(...tags.map(([tag, found]) =>
    make("section", { "aria-label": tag }, make("h2", {}, tag), ...found.map((one) => address(...one)))));
  document.getElementById("contents").replaceChildren(...tags.flatMap(([tag, found]) => [
    make("h2", {}, tag),
    ...found.map(([path, verb, operation]) => make("a", { href: "#" + operation.operationId }, make("code", {}, verb.toUpperCase() + " " + path.replace("/v1", "")))),
  ]));
}

function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named?.matches("details")) {
    named.open = true;
    named.scrollIntoView();
  }
}

function search() {
  const words = document.getElementById("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const one of document.querySelectorAll("details.address")) one.hidden = !words.every((word) => one.dataset.words.includes(word));
  for (const section of document.querySelectorAll("#tags section")) section.hidden = !section.querySelector("details.address:not([hidden])");
}

async function start() {
  const answer = await fetch("/openapi.json");
  spec = await answer.json();
  drawAll();
  openNamed();
  addEventListener("hashchange", openNamed);
  document.getElementById("find").addEventListener("input", search);
  document.getElementById("key").addEventListener("input", () => {
    for (const one of document.querySelectorAll("details.address[open]")) one.dispatchEvent(new Event("toggle"));
  });
}

start().catch((error) => {
  document.getElementById("tags").replaceChildren(make("p", {}, "/openapi.json cannot be read here: " + error.message));
});
