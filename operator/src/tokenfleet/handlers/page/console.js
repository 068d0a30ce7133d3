// The console: reads the fleet every few seconds and draws it. It only ever asks (GET).

import { lined, seconds, shares } from "./charts.js";
import { empty, html, only, percent, svg } from "./dom.js";
import { picture } from "./picture.js";

const EVERY = 10_000, FEW = 6, MANY = 60;
const ORDER = ["missed", "unknown", "met", "none"];
const at = (id) => document.getElementById(id);
const state = { fleet: null, chosen: "", asked: 0, whole: new Set() };

async function get(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? `the operator answers ${answer.status}`);
  return body;
}

function wanted(fleet) {
  const namespace = at("namespace").value, text = at("find").value.trim().toLowerCase();
  const here = (one) => !namespace || one.namespace === namespace;
  const words = (route) => [route.name, route.namespace, ...route.models,
    ...route.rules.flatMap((rule) => [rule.name, ...rule.flows.map((flow) => flow.pool)])];
  const routes = fleet.routes.filter((route) => here(route) && (!text || words(route).some((word) => word.toLowerCase().includes(text))));
  const names = new Set(routes.map((route) => `${route.namespace}/${route.name}`));
  return {
    routes,
    objectives: fleet.objectives.filter((slo) => here(slo) && (!text || names.has(`${slo.namespace}/${slo.route}`))),
    pools: fleet.pools.filter(here),
    routers: fleet.routers.filter(here),
  };
}

function summary(fleet) {
  const missed = fleet.objectives.filter((slo) => slo.verdict === "missed").length;
  const place = at("summary");
  place.className = missed ? "missed" : fleet.objectives.length ? "met" : "";
  const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
  const said = missed ? `${count(missed, "objective")} missed` : fleet.objectives.length ? "All objectives met or quiet" : "No objectives";
  const text = `${said} · ${count(fleet.routes.length, "route")} · ${count(fleet.pools.length, "pool")}`;
  if (place.textContent !== text) place.textContent = text;
}

function namespaces(fleet) {
  const names = [...new Set([...fleet.routes, ...fleet.pools, ...fleet.routers].map((one) => one.namespace))].sort();
  const place = at("namespace"), now = place.value;
  if ([...place.options].slice(1).map((option) => option.value).join() === names.join()) return;
  only(place, html("option", { value: "" }, "all"), ...names.map((name) => html("option", { value: name }, name)));
  place.value = names.includes(now) ? now : "";
}

function verdict(slo) {
  const words = { met: "met", missed: "missed", unknown: slo.data, none: "none" };
  return html("span", { class: `word ${slo.verdict}` }, words[slo.verdict]);
}

function budget(slo) {
  const left = Number.parseFloat(slo.budget_remaining);
  if (Number.isNaN(left)) return html("td", {}, "-");
  const part = Math.max(0, Math.min(1, left));
  const bar = svg("svg", { width: 64, height: 8, "aria-hidden": "true" }, svg("rect", { width: 64 * part, height: 8 }));
  return html("td", {}, html("span", { class: `budget${left < 0.25 ? " low" : ""}` }, bar), percent(left));
}

function objective(slo) {
  const would = slo.would_have === null ? null : html("span", { class: "would" }, `would have: ${slo.would_have.message}`);
  const about = slo.rule ? `${slo.route}/${slo.rule}` : slo.route;
  const value = slo.value ? `${slo.promise} (now ${slo.value})` : slo.promise;
  return html("tr", {}, html("td", {}, html("strong", {}, slo.name), html("span", { class: "would" }, slo.namespace)),
    html("td", {}, html("a", { href: `#${slo.namespace}/${slo.route}` }, about)), html("td", { class: "wide" }, value, would),
    html("td", {}, verdict(slo)), html("td", {}, slo.burn_rate || "-"), budget(slo), html("td", {}, slo.p50 || "-"), html("td", {}, slo.p99 || "-"),
    html("td", {}, slo.action));
}

function machine(one, kind, ready) {
  return html("tr", {}, html("td", {}, html("strong", {}, one.name), html("span", { class: "would" }, one.namespace)),
    html("td", {}, kind), html("td", {}, ready), html("td", { class: "wide" }, one.trouble));
}

function none(span, text) {
  return html("tr", {}, html("td", { colspan: span, class: "quiet" }, text));
}

function draw() {
  const { fleet } = state;
  if (fleet === null) return;
  namespaces(fleet);
  summary(fleet);
  const { routes, objectives, pools, routers } = wanted(fleet);
  if (!routes.some((route) => `${route.namespace}/${route.name}` === state.chosen) && !location.hash) {
    const first = routes.find((route) => route.rules.some((rule) => rule.verdict === "missed")) ?? routes[0];
    choose(first ? `${first.namespace}/${first.name}` : "");
  }
  const focused = document.activeElement?.dataset?.route, above = at("picture").scrollTop;
  only(at("picture"), routes.length ? picture(routes, fleet.pools, state.chosen) : nobody(fleet));
  at("picture").scrollTop = above;
  if (focused) at("picture").querySelector(`[data-route="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  look(fleet.troubles);
  const urgent = [...objectives].sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict));
  rows("objectives", urgent, objective, 9, "No TokenSLO here.");
  const machines = [...pools.map((pool) => [pool, `ServingPool, ${pool.type}`, pool.replicas || pool.ready || !pool.trouble ? `${pool.ready}/${pool.replicas}` : "-"]),
    ...routers.map((router) => [router, "ModelRouter", router.acknowledged])];
  machines.sort(([a], [b]) => (b.trouble !== "") - (a.trouble !== ""));
  rows("pools", machines, (one) => machine(...one), 4, "No ServingPool and no ModelRouter here.");
}

/** What is wrong, the first few in sight. */
function look(troubles) {
  const place = at("troubles"), [some, more] = [troubles.slice(0, FEW), troubles.slice(FEW)];
  place.hidden = !troubles.length;
  only(place.querySelector("ul"), ...some.map((text) => html("li", {}, text)));
  const rest = place.querySelector("details");
  rest.hidden = !more.length;
  rest.querySelector("summary").textContent = `${more.length} more`;
  only(rest.querySelector("ol"), ...more.map((text) => html("li", {}, text)));
}

/** Rows of a table; beyond `MANY` only where somebody asks. */
function rows(id, all, drawn, columns, nothing) {
  const many = all.length > MANY && !state.whole.has(id), shown = many ? all.slice(0, MANY) : all;
  const more = html("button", { type: "button" }, `Show all ${all.length}`);
  more.addEventListener("click", () => { state.whole.add(id); draw(); at(id).querySelector(".scroll").focus(); });
  const last = many ? [html("tr", {}, html("td", { colspan: columns }, more))] : [];
  only(at(id).querySelector("tbody"), ...(all.length ? [...shown.map(drawn), ...last] : [none(columns, nothing)]));
}

function nobody(fleet) {
  if (fleet.routes.length) return empty("Nothing fits", "No route has this in its name, its models or its pools.");
  return empty("No routes yet", "Apply a ServingPool, a ModelRouter and a ModelRoute: the quickstart has all three.");
}

function choose(route) {
  if (state.chosen === route) return;
  state.chosen = route;
  history_();
}

async function history_() {
  const chosen = state.chosen, mine = (state.asked += 1), [namespace, route] = chosen.split("/");
  at("timeline-title").textContent = chosen ? `${route} over time` : "Over time";
  if (!chosen) {
    only(at("charts"), empty("No route is chosen", "Choose one in the picture."));
    only(at("decisions"));
    return;
  }
  const last = document.querySelector("#last input:checked").value;
  try {
    const found = await get(`api/timeline?${new URLSearchParams({ namespace, route, last })}`);
    if (mine === state.asked) charts(found);
  } catch (error) {
    if (mine !== state.asked) return;
    only(at("charts"), empty("The past cannot be read", error.message));
    only(at("decisions"));
  }
}

function charts({ span, lines, decisions, note }) {
  const rules = [...new Set(lines.shares.map((line) => line.rule))];
  const drawn = rules.map((rule) => shares(rule, lines.shares.filter((line) => line.rule === rule), span, decisions));
  for (const rule of new Set(lines.first_tokens.map((line) => line.rule))) {
    const mine = lines.first_tokens.filter((line) => line.rule === rule);
    drawn.push(lined(`First token of ${rule}`, mine, span, decisions, { form: seconds, dash: (line) => line.name === "p50" }));
  }
  if (lines.burn_rates.length) {
    const form = (value) => `${Math.round(value * 100) / 100}`;
    drawn.push(lined("Burn rates", lines.burn_rates, span, decisions, { form, limit: 1 }));
  }
  const silent = empty("Nothing was recorded", note || "Prometheus has no series of this route in this span.");
  only(at("charts"), ...(drawn.length ? drawn : [silent]));
  only(at("decisions"), html("h3", {}, "Decisions"), decided(decisions));
}

function decided(decisions) {
  if (!decisions.length) return html("p", { class: "quiet" }, "None in this span.");
  const rows = [...decisions].reverse().map((one) => {
    const time = new Date(one.at * 1000);
    return html("li", {}, html("time", { datetime: time.toISOString() }, time.toLocaleString(undefined, { hour12: false })),
      html("span", { class: `what${one.alarming ? " alarming" : ""}` }, one.reason), html("span", { class: "why" }, one.note));
  });
  return html("ol", {}, ...rows);
}

async function refresh() {
  try {
    state.fleet = await get("api/fleet");
    at("problem").hidden = true;
    performance.mark("read");
    at("read").textContent = `Read ${new Date(state.fleet.at * 1000).toLocaleTimeString(undefined, { hour12: false })}`;
    draw();
    document.body.getBoundingClientRect();  // laid out, too
    performance.measure("draw", "read");
  } catch (error) {
    const old = state.fleet === null ? "" : ` Shown is what was read at ${new Date(state.fleet.at * 1000).toLocaleTimeString(undefined, { hour12: false })}.`;
    at("problem").textContent = `The fleet cannot be read: ${error.message}.${old}`;
    at("problem").hidden = false;
    if (state.fleet === null) at("summary").textContent = "Nothing is known";
  }
}

/** The route that the address names; nothing where it names none. */
function addressed() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {  // a percent sign that escapes nothing
    return "";
  }
}

function follow() {
  const named = addressed();
  if (named.includes("/")) {
    choose(named);
    draw();
  }
}

at("filter").addEventListener("submit", (event) => event.preventDefault());
at("namespace").addEventListener("change", draw);
at("find").addEventListener("input", draw);
at("last").addEventListener("change", history_);
addEventListener("hashchange", follow);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
follow();
await refresh();
document.documentElement.dataset.ready = "true";
setInterval(() => { if (!document.hidden) refresh(); }, EVERY);
setInterval(() => { if (!document.hidden) history_(); }, 3 * EVERY);
