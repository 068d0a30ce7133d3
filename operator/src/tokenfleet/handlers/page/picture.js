// The fleet as a picture: routes, their rules, and the pools that get a part of each.
//
// Routes that share pools are drawn together, so that ribbons stay short. A ribbon is as high as its
// part of the rule, coloured by the rule's objectives, and hatched where it goes to a fallback.

import { html, percent, svg } from "./dom.js";

const WIDTH = 1200, RULE = 22, GAP = 14, BLOCK = 22, TOP = 6;
const ROUTE = { name: 8, node: 250 }, RULES = 560, POOLS = 930, NODE = 8;

/** Groups routes that share a pool; both in their order. */
function groups(routes) {
  const of = new Map(), found = [];
  for (const route of routes) {
    const pools = route.rules.flatMap((rule) => rule.flows.map((flow) => `${route.namespace}/${flow.pool}`));
    const mine = [...new Set(pools.map((pool) => of.get(pool)).filter(Boolean))];
    const group = mine[0] ?? { routes: [], pools: new Set() };
    if (!mine.length) found.push(group);
    for (const other of mine.slice(1)) {
      group.routes.push(...other.routes);
      other.pools.forEach((pool) => { group.pools.add(pool); of.set(pool, group); });
      other.routes = [];
    }
    group.routes.push(route);
    pools.forEach((pool) => { group.pools.add(pool); of.set(pool, group); });
  }
  return found.filter((group) => group.routes.length);
}

function ribbon(x0, y0, h0, x1, y1, h1, kind) {
  const x = (x0 + x1) / 2, r = (n) => Math.round(n * 10) / 10;
  const path = `M${x0} ${r(y0)}C${x} ${r(y0)} ${x} ${r(y1)} ${x1} ${r(y1)}V${r(y1 + h1)}`
    + `C${x} ${r(y1 + h1)} ${x} ${r(y0 + h0)} ${x0} ${r(y0 + h0)}Z`;
  return svg("path", { d: path, class: kind });
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function worst(route) {
  const order = ["missed", "unknown", "met", "none"];
  return order.find((verdict) => route.rules.some((rule) => rule.verdict === verdict)) ?? "none";
}

const WORDS = { met: "objectives met", missed: "objectives missed", unknown: "cannot be seen", none: "no objective" };

/** Says a route in one sentence, for those who hear it. */
function said(route) {
  const rules = route.rules.map((rule) => {
    const flows = rule.flows.filter((flow) => flow.share).map((flow) => `${flow.pool} ${percent(flow.share / 1000)}`);
    return `rule ${rule.name}, ${WORDS[rule.verdict]}, ${rule.reason}: ${flows.join(", ") || "no shares yet"}`;
  });
  return `Route ${route.name} in ${route.namespace}. ${rules.join(". ")}`;
}

/** Draws one group from `top` on; returns where it ends. */
function drawn(group, pools, top, chosen, out) {
  const heights = new Map();
  let y = top;
  const placed = group.routes.map((route) => {
    const rules = route.rules.map((rule) => {
      const at = { rule, y };
      y += RULE + GAP;
      return at;
    });
    return { route, rules };
  });
  const left = y - GAP;
  const names = [...group.pools];
  const weight = new Map(names.map((name) => [name, 0])), centre = new Map();
  for (const { route, rules } of placed) {
    for (const { rule, y: at } of rules) {
      for (const flow of rule.flows) {
        const name = `${route.namespace}/${flow.pool}`;
        weight.set(name, weight.get(name) + (RULE * flow.share) / 1000);
        const seen = centre.get(name) ?? [0, 0];
        centre.set(name, [seen[0] + at + (flow.role === "fallback" ? 1 : 0), seen[1] + 1]);
      }
    }
  }
  const mean = (name) => { const [sum, n] = centre.get(name); return sum / n; };
  names.sort((a, b) => mean(a) - mean(b) || (a < b ? -1 : 1));
  let right = top;
  for (const name of names) {
    const height = Math.max(weight.get(name), 3);
    // A pool has room for its label, however little it gets.
    heights.set(name, { y: right, filled: 0, height });
    right += Math.max(height, 16) + GAP;
  }
  for (const { route, rules } of placed) out.push(routeDrawn(route, rules, heights, chosen));
  for (const name of names) out.push(poolDrawn(name, pools.get(name), heights.get(name), weight.get(name)));
  return Math.max(left, right - GAP);
}

function routeDrawn(route, rules, heights, chosen) {
  const key = `${route.namespace}/${route.name}`, first = rules[0].y;
  const height = rules.length * RULE;
  const link = svg("a", {
    href: `#${key}`, class: `route ${worst(route)}${key === chosen ? " chosen" : ""}`, "data-route": key,
    "aria-label": said(route), "aria-current": key === chosen ? "true" : null,
  });
  const last = rules[rules.length - 1].y + RULE;
  link.append(svg("rect", { class: "frame", x: 2, y: first - 4, width: RULES + NODE, height: last - first + 8, rx: 5 }));
  link.append(svg("text", { class: "name strong", x: ROUTE.name, y: first + 15 }, cut(route.name, 30)));
  const more = route.control === "Auto" ? route.namespace : `${route.namespace} · ${route.control.toLowerCase()}`;
  if (rules.length > 1) link.append(svg("text", { class: "quiet", x: ROUTE.name, y: first + 31 }, cut(more, 34)));
  else link.append(svg("text", { class: "quiet", x: ROUTE.node - 8, y: first + 15, "text-anchor": "end" }, cut(more, 18)));
  link.append(svg("rect", { class: "node", x: ROUTE.node, y: first, width: NODE, height, rx: 2 }));
  rules.forEach(({ rule, y }, n) => {
    const part = svg("g", { class: rule.verdict });
    part.append(ribbon(ROUTE.node + NODE, first + n * RULE, RULE, RULES, y, RULE, "ribbon"));
    part.append(svg("rect", { class: "node", x: RULES, y, width: NODE, height: RULE, rx: 2 }));
    part.append(svg("text", { class: "quiet", x: RULES - 8, y: y + 15, "text-anchor": "end" },
      `${cut(rule.name, 26)}${rule.reason === "AsWritten" ? "" : ` · ${rule.reason}`}`));
    let from = y;
    for (const flow of rule.flows) {
      const h = (RULE * flow.share) / 1000, to = heights.get(`${route.namespace}/${flow.pool}`);
      if (!h) continue;
      const kind = flow.role === "primary" ? "ribbon" : "ribbon back";
      const drawing = ribbon(RULES + NODE, from, h, POOLS, to.y + to.filled, h, kind);
      drawing.append(svg("title", {}, `${rule.name}: ${percent(flow.share / 1000)} to ${flow.pool}, ${flow.role}${flow.adapter ? `, adapter ${flow.adapter}` : ""}`));
      part.append(drawing);
      from += h;
      to.filled += h;
    }
    if (rule.message) part.append(svg("title", {}, rule.message));
    link.append(part);
  });
  return link;
}

function poolDrawn(name, pool, place, weight) {
  const group = svg("g", { class: `pool${pool === undefined || pool.trouble ? " trouble" : ""}` });
  const middle = place.y + Math.max(place.height, 16) / 2 + 4;
  const ready = pool === undefined ? "does not exist" : `${pool.ready}/${pool.replicas} ready`;
  group.append(svg("rect", { class: "node", x: POOLS, y: place.y, width: NODE, height: place.height, rx: 2 }));
  group.append(svg("text", { x: POOLS + 18, y: middle },
    svg("tspan", {}, cut(name.split("/")[1], 26)),
    svg("tspan", { dx: 8, fill: "currentColor", class: "quiet" }, weight ? ready : `${ready}, nothing now`)));
  if (pool?.trouble) group.append(svg("title", {}, pool.trouble));
  return group;
}

function hatches() {
  return svg("defs", {}, ...["met", "missed", "unknown", "none"].map((verdict) =>
    svg("pattern", { id: `hatch-${verdict}`, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("path", { d: "M0 0V6", "stroke-width": 5 }))));
}

/** Returns the picture of these routes. */
export function picture(routes, pools, chosen) {
  const known = new Map(pools.map((pool) => [`${pool.namespace}/${pool.name}`, pool]));
  const out = [];
  let y = TOP;
  for (const group of groups(routes)) y = drawn(group, known, y, chosen, out) + BLOCK;
  const height = Math.max(y - BLOCK + TOP, 1);
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "group", "aria-label": "Routes, rules and pools" });
  drawing.append(hatches(), ...out);
  return html("div", {}, drawing);
}
