// A bar chart with a line over it. What it shows comes from window.helios.props, for example:
//   helios render examples/chart --props '{"title": "Visitors", "bars": [12, 30, 24], "labels": ["a", "b", "c"]}'
const PLAIN = {
  title: "", subtitle: "", labels: [], bars: [], line: [], barName: "", lineName: "", unit: "", decimals: 0,
  colour: "#2f5d8a", source: "",
};
const DAYLIGHT = {
  ...PLAIN,
  title: "The north trades winter for summer",
  subtitle: "Hours from sunrise to sunset on the 21st of each month",
  labels: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
  bars: [10.0, 11.0, 12.1, 13.4, 14.4, 14.8, 14.4, 13.4, 12.2, 11.0, 10.0, 9.5],
  line: [7.1, 9.7, 12.2, 15.0, 17.5, 18.8, 17.7, 15.2, 12.4, 9.7, 7.2, 5.9],
  barName: "Athens, 38° N",
  lineName: "Oslo, 60° N",
  unit: "h",
  decimals: 1,
  source: "Computed from the sunrise equation",
};
const given = window.helios?.props ?? {};
const props = { ...(given.bars ? PLAIN : DAYLIGHT), ...given };
const { labels, bars, line } = props;

const [LEFT, RIGHT, TOP, BASE] = [150, 1828, 340, 930];
const svg = document.querySelector("svg");

function add(name, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  svg.append(element);
  return element;
}

// ---- easing: each part of the chart has a start and a length, in seconds

const clamp = (x) => Math.min(1, Math.max(0, x));
const part = (t, start, length) => clamp((t - start) / length);
const easeOut = (x) => 1 - (1 - x) ** 4;
const easeInOut = (x) => (x < 0.5 ? 4 * x ** 3 : 1 - (2 - 2 * x) ** 3 / 2);
function spring(x) {
  return x >= 1 ? 1 : 1 - Math.exp(-6.5 * x) * Math.cos(6 * x);
}

// ---- scale

const highest = Math.max(1e-9, ...bars, ...line);
const step = niceStep(highest / 5);
const most = Math.ceil((highest * 1.04) / step) * step;
const y = (value) => BASE - ((BASE - TOP) * value) / most;
const slot = (RIGHT - LEFT) / bars.length;
const x = (i) => LEFT + slot * (i + 0.5);
const peak = bars.indexOf(Math.max(...bars));

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].find((n) => n * power >= rough) * power;
}

// ---- elements

const title = add("text", { class: "title", x: LEFT - 60, y: 140 }, props.title);
const subtitle = add("text", { class: "subtitle", x: LEFT - 58, y: 198 }, props.subtitle);
const source = add("text", { class: "source", x: LEFT - 58, y: 1036 }, props.source);

const grid = [];
for (let value = step; value <= most + step / 2; value += step) {
  grid.push([
    add("line", { class: "grid", x1: LEFT, x2: LEFT, y1: y(value), y2: y(value) }),
    add("text", { class: "tick", x: LEFT - 18, y: y(value) + 8 }, `${+value.toFixed(6)}${value + step > most + step / 2 ? ` ${props.unit}` : ""}`),
  ]);
}
const columns = bars.map((_, i) => ({
  bar: add("rect", { x: x(i) - slot * 0.31, width: slot * 0.62, rx: 7, fill: props.colour }),
  value: add("text", { class: "value", x: x(i), y: BASE - 22, "font-size": Math.min(27, slot * 0.2) }),
  label: add("text", { class: "label", x: x(i), y: BASE + 46 }, labels[i] ?? ""),
}));
const base = add("line", { class: "base", x1: LEFT - 4, x2: LEFT, y1: BASE, y2: BASE });

const curve = smooth(line.map((value, i) => [x(i), y(value)]));
const halo = add("path", { class: "halo", d: curve, pathLength: 1 });
const path = add("path", { class: "line", d: curve, pathLength: 1 });
const dots = line.map((value, i) => add("circle", { class: "dot", cx: x(i), cy: y(value) }));

const legend = props.barName ? legendItem(LEFT - 58, props.barName, "bar") : [];
if (props.lineName) {
  const after = legend.length ? LEFT + 60 + legend[1].getComputedTextLength() : LEFT - 58;
  legend.push(...legendItem(after, props.lineName, "line"));
}

function legendItem(left, name, kind) {
  const y = 262;
  const mark = kind === "bar"
    ? add("rect", { x: left, y: y - 22, width: 26, height: 26, rx: 5, fill: props.colour })
    : add("line", { class: "line", x1: left, x2: left + 26, y1: y - 9, y2: y - 9 });
  return [mark, add("text", { class: "legend", x: left + 40, y }, name)];
}

/** A curve through points that never swings past them (monotone cubic, after Fritsch and Carlson). */
function smooth(points) {
  if (points.length < 2) return "";
  const slopes = points.slice(1).map(([px, py], i) => (py - points[i][1]) / (px - points[i][0]));
  const tangents = points.map((_, i) => {
    const [before, after] = [slopes[i - 1] ?? slopes[i], slopes[i] ?? slopes[i - 1]];
    return before * after <= 0 ? 0 : (2 * before * after) / (before + after);
  });
  let d = `M${points[0]}`;
  for (let i = 1; i < points.length; i++) {
    const [[ax, ay], [bx, by]] = [points[i - 1], points[i]];
    const third = (bx - ax) / 3;
    d += `C${ax + third} ${ay + third * tangents[i - 1]} ${bx - third} ${by - third * tangents[i]} ${bx} ${by}`;
  }
  return d;
}

// ---- the chart at a time

function draw(t) {
  arrive(title, part(t, 0.1, 0.9), 34);
  arrive(subtitle, part(t, 0.3, 0.9), 26);
  arrive(source, part(t, 4.2, 0.8), 10);
  base.setAttribute("x2", LEFT + (RIGHT - LEFT) * easeInOut(part(t, 0.3, 1)));
  grid.forEach(([rule, tick], i) => {
    const shown = easeInOut(part(t, 0.45 + i * 0.09, 0.9));
    rule.setAttribute("x2", LEFT + (RIGHT - LEFT) * shown);
    tick.setAttribute("opacity", shown);
  });
  columns.forEach(({ bar, value, label }, i) => {
    const begin = 0.8 + i * 0.11;
    const top = y(bars[i] * spring(part(t, begin, 1.2)));
    bar.setAttribute("y", top);
    bar.setAttribute("height", Math.max(0, BASE - top));
    // Once the line is there, all bars but the highest step back.
    const back = i === peak ? 0 : easeInOut(part(t, 3.9, 0.8));
    bar.style.fill = `color-mix(in srgb, ${props.colour}, #f4efe6 ${40 * back}%)`;
    const counted = bars[i] * easeOut(part(t, begin, 1.1));
    value.textContent = counted ? counted.toFixed(props.decimals) : "";
    value.setAttribute("opacity", part(t, begin + 0.25, 0.3));
    label.setAttribute("opacity", easeOut(part(t, begin - 0.1, 0.6)));
  });
  const drawn = easeInOut(part(t, 2.5, 1.7));
  for (const stroke of [halo, path]) {
    stroke.setAttribute("stroke-dasharray", `${drawn} 2`);
    stroke.setAttribute("visibility", drawn > 0 ? "visible" : "hidden");
  }
  dots.forEach((dot, i) => {
    const reached = 2.5 + 1.7 * inverse(easeInOut, line.length > 1 ? i / (line.length - 1) : 0);
    dot.setAttribute("r", 10 * Math.max(0, spring(part(t, reached, 0.7))));
    dot.setAttribute("visibility", t > reached ? "visible" : "hidden");
  });
  legend.forEach((element, i) => element.setAttribute("opacity", easeOut(part(t, i < 2 ? 1.2 : 2.6, 0.8))));
}

function arrive(element, progress, distance) {
  element.setAttribute("opacity", easeOut(progress));
  element.setAttribute("transform", `translate(0 ${distance * (1 - easeOut(progress))})`);
}

/** Where a rising curve from 0 to 1 takes a value. */
function inverse(curve, value) {
  let [low, high] = [0, 1];
  for (let i = 0; i < 30; i++) curve((low + high) / 2) < value ? (low = (low + high) / 2) : (high = (low + high) / 2);
  return low;
}

if (window.helios) {
  window.helios.seek = draw;
} else {
  const loop = (now) => {
    draw(now / 1000);
    requestAnimationFrame(loop);
  };
  requestAnimationFrame(loop);
}
