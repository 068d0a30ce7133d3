// Lines over time, with the decisions that moved them.

import { html, percent, svg } from "./dom.js";

const WIDTH = 560, HEIGHT = 150, LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 22;
const HOUR = 3600, DAY = 24 * HOUR;

function scale(span, most) {
  return {
    x: (at) => LEFT + ((at - span.start) / (span.end - span.start)) * (WIDTH - LEFT - RIGHT),
    y: (value) => HEIGHT - BOTTOM - (Math.min(value, most) / most) * (HEIGHT - TOP - BOTTOM),
  };
}

function nice(value) {
  if (value <= 0) return 1;
  const ten = 10 ** Math.floor(Math.log10(value));
  return ten * [1, 2, 2.5, 5, 10].find((step) => step * ten >= value);
}

function clock(at, span) {
  const date = new Date(at * 1000), long = span.end - span.start > DAY;
  const options = long ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hour12: false };
  return date.toLocaleString(undefined, options);
}

function axes(span, most, form, { x, y }) {
  const parts = [0, 0.5, 1].flatMap((part) => [
    svg("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y(part * most), y2: y(part * most) }),
    svg("text", { class: "quiet", x: LEFT - 6, y: y(part * most) + 4, "text-anchor": "end" }, form(part * most)),
  ]);
  for (let n = 0; n <= 4; n += 1) {
    const at = span.start + (n / 4) * (span.end - span.start);
    const anchor = n === 0 ? "start" : n === 4 ? "end" : "middle";
    parts.push(svg("text", { class: "quiet", x: x(at), y: HEIGHT - 6, "text-anchor": anchor }, clock(at, span)));
  }
  return parts;
}

function marks(decisions, span, { x }) {
  return decisions.filter((one) => one.at >= span.start && one.at <= span.end).map((one) =>
    svg("line", { class: `mark${one.alarming ? " alarming" : ""}`, x1: x(one.at), x2: x(one.at), y1: TOP, y2: HEIGHT - BOTTOM },
      svg("title", {}, `${clock(one.at, span)} ${one.reason}: ${one.note}`)));
}

function figure(title, keys, drawing, about) {
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", about);
  return html("figure", { class: "chart" }, html("figcaption", {}, html("h3", {}, title), ...keys), drawing);
}

function key(name, tone, kind) {
  return html("span", { class: `key tone-${tone % 6}` }, html("i", { class: kind }), name);
}

function canvas(...children) {
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}` }, ...children);
}

/** Breaks a line where more than three steps are missing. */
function pieces(points, step) {
  const found = [];
  points.forEach((point, n) => {
    if (n === 0 || point[0] - points[n - 1][0] > 3.5 * step) found.push([]);
    found[found.length - 1].push(point);
  });
  return found;
}

function path(points, { x, y }) {
  return points.map(([at, value], n) => `${n ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
}

/** Shares of one rule, on top of each other: they are a whole. */
export function shares(rule, lines, span, decisions) {
  const to = scale(span, 1), times = [...new Set(lines.flatMap((line) => line.points.map(([at]) => at)))].sort((a, b) => a - b);
  const sums = new Map(times.map((at) => [at, 0]));
  const areas = lines.map((line, n) => {
    const own = new Map(line.points), band = times.map((at) => {
      const low = sums.get(at), high = low + (own.get(at) ?? 0);
      sums.set(at, high);
      return [at, low, high];
    });
    // A share holds until the next one: steps, and no slopes.
    const up = [], down = [];
    band.forEach(([at, low, high], i) => {
      const next = band[i + 1]?.[0] ?? Math.min(at + span.step, span.end);
      up.push([at, high], [next, high]);
      down.push([at, low], [next, low]);
    });
    return svg("path", { class: `area tone-${n % 6}`, d: `${path([...up, ...down.reverse()], to)}Z` });
  });
  const now = lines.map((line) => `${line.name} ${percent(line.points[line.points.length - 1][1])}`);
  return figure(`Shares of ${rule}`, lines.map((line, n) => key(line.name, n, "box")),
    canvas(...axes(span, 1, percent, to), ...areas, ...marks(decisions, span, to)),
    `Shares of rule ${rule} over time; at the end ${now.join(", ")}`);
}

/** Lines of any unit; `limit` is drawn where it is given. */
export function lined(title, lines, span, decisions, { form, limit = null, dash = () => false }) {
  const top = Math.max(limit ?? 0, ...lines.flatMap((line) => line.points.map(([, value]) => value)));
  const most = nice(top * 1.02), to = scale(span, most);
  const drawn = lines.flatMap((line, n) => pieces(line.points, span.step).map((points) =>
    svg("path", { class: `line tone-${n % 6}${dash(line) ? " dash" : ""}`, d: path(points, to) })));
  const bound = limit === null ? [] : [svg("line", { class: "limit", x1: LEFT, x2: WIDTH - RIGHT, y1: to.y(limit), y2: to.y(limit) })];
  const last = lines.map((line) => `${line.name} ${form(line.points[line.points.length - 1][1])}`);
  return figure(title, lines.map((line, n) => key(line.name, n, "")),
    canvas(...axes(span, most, form, to), ...bound, ...drawn, ...marks(decisions, span, to)),
    `${title} over time; at the end ${last.join(", ")}`);
}

export function seconds(value) {
  if (value === 0) return "0";
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${Math.round(value * 100) / 100} s`;
}
