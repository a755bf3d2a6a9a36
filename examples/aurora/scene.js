// Every frame here is a function of time, so Helios can request frames in any order: see helios.seek below.
const TAU = Math.PI * 2;

/** A number from 0 to 1 for each whole number, always the same. */
function hash(n) {
  let x = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

/** Smooth noise from 0 to 1 along a line. */
function noise(x, seed = 0) {
  const i = Math.floor(x);
  const f = x - i;
  const w = f * f * f * (f * (f * 6 - 15) + 10);
  return hash(i + seed * 7919) * (1 - w) + hash(i + 1 + seed * 7919) * w;
}

// ---- stars: drawn once, twinkled by CSS

function drawStars(canvas, count, seed) {
  const pen = canvas.getContext("2d");
  const tints = ["255 255 255", "205 226 255", "255 236 208"];
  for (let i = 0; i < count; i++) {
    const [a, b, c, d] = [0, 1, 2, 3].map((k) => hash(seed + i * 4 + k));
    const radius = 0.5 + 1.5 * c ** 5;
    pen.fillStyle = `rgb(${tints[Math.floor(d * 3)]} / ${0.25 + 0.75 * c})`;
    pen.beginPath();
    pen.arc(a * canvas.width, b ** 1.3 * canvas.height, radius, 0, TAU);
    pen.fill();
  }
}

// ---- land: ridges and trees, drawn once as SVG

const SVG = "http://www.w3.org/2000/svg";
const HORIZON = 800;

function ridge(fill, height, stretch, seed) {
  const top = (x) => {
    let y = 0;
    for (let octave = 0, size = 1, step = stretch; octave < 6; octave++, size *= 0.47, step /= 2.1) {
      const n = noise(x / step, seed + octave * 13);
      y += size * (octave < 3 ? 1 - Math.abs(2 * n - 1) : n);
    }
    return HORIZON - (height * y) / 1.9;
  };
  let d = `M-40 ${HORIZON}`;
  for (let x = -40; x <= 1960; x += 8) d += `L${x} ${top(x).toFixed(1)}`;
  return shape(`${d}L1960 ${HORIZON}Z`, fill);
}

function shore() {
  let d = "M-40 1120";
  for (let x = -40; x <= 1960; x += 10) {
    const side = Math.abs(x - 960) / 960;
    d += `L${x} ${(1096 - 150 * side ** 2.6 - 16 * noise(x / 90, 77)).toFixed(1)}`;
  }
  d += "L1960 1120Z";
  for (let i = 0; i < 58; i++) {
    const side = hash(900 + i) ** 1.5;
    const x = i % 2 ? side * 560 - 30 : 1950 - side * 560;
    const tall = (70 + 210 * hash(300 + i)) * (1.1 - side * 0.75);
    d += pine(x, 1110 - 150 * (Math.abs(x - 960) / 960) ** 2.6, tall);
  }
  return shape(d, "url(#near)");
}

function pine(x, y, tall) {
  const tiers = 7;
  let left = "";
  let right = "";
  for (let k = 1; k <= tiers; k++) {
    const at = y - tall + (tall * 0.93 * k) / tiers;
    const wide = tall * 0.2 * (k / tiers) ** 0.9;
    right += `L${(x + wide).toFixed(1)} ${at.toFixed(1)}L${(x + wide * 0.45).toFixed(1)} ${(at - tall * 0.02).toFixed(1)}`;
    left = `L${(x - wide * 0.45).toFixed(1)} ${(at - tall * 0.02).toFixed(1)}L${(x - wide).toFixed(1)} ${at.toFixed(1)}${left}`;
  }
  return `M${x.toFixed(1)} ${(y - tall).toFixed(1)}${right}L${x.toFixed(1)} ${y.toFixed(1)}${left}Z`;
}

function shape(d, fill) {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", d);
  path.setAttribute("fill", fill);
  return path;
}

// ---- the lights: folded curtains of thin rays, added up on a small canvas, and their image in the lake

const sky = document.querySelector("#sky");
const pen = sky.getContext("2d");
const lights = new OffscreenCanvas(sky.width, sky.height);
const brush = lights.getContext("2d");
const SHORE = Math.round((HORIZON / 1080) * sky.height);

function rayStrip(stops) {
  const strip = new OffscreenCanvas(1, 128);
  const context = strip.getContext("2d");
  const fade = context.createLinearGradient(0, 0, 0, 128);
  for (const [offset, colour] of stops) fade.addColorStop(offset, colour);
  context.fillStyle = fade;
  context.fillRect(0, 0, 1, 128);
  return strip;
}

const GREEN = rayStrip([
  [0, "rgb(96 60 190 / 0)"], [0.3, "rgb(112 70 205 / 0.22)"], [0.58, "rgb(40 150 190 / 0.42)"],
  [0.84, "rgb(70 245 170 / 0.95)"], [0.93, "rgb(170 255 205 / 1)"], [1, "rgb(60 220 150 / 0)"],
]);
const VIOLET = rayStrip([
  [0, "rgb(150 50 170 / 0)"], [0.4, "rgb(190 70 190 / 0.4)"], [0.75, "rgb(80 110 230 / 0.6)"],
  [0.94, "rgb(60 225 205 / 0.8)"], [1, "rgb(40 180 170 / 0)"],
]);

const CURTAINS = [
  { strip: VIOLET, y: 150, tall: 150, seed: 1, speed: 0.5, power: 0.44, fold: 58 },
  { strip: GREEN, y: 205, tall: 165, seed: 2, speed: 0.7, power: 0.66, fold: 74 },
  { strip: GREEN, y: 238, tall: 105, seed: 3, speed: -0.55, power: 0.4, fold: 46 },
];

function drawCurtain({ strip, y, tall, seed, speed, power, fold }, t) {
  const rays = 620;
  for (let i = 0; i < rays; i++) {
    const s = i / rays;
    const drift = t * speed;
    const bend = s * 8.5 + seed * 2 + drift * 0.9;
    const curl = s * 23 - drift * 1.7 + seed;
    const x = -70 + s * 780 + fold * Math.sin(bend) + 13 * Math.sin(curl);
    // Where the curtain folds, its rays lie closely: each gives less, so that a fold glows but does not glare.
    const spread = Math.abs(780 + 8.5 * fold * Math.cos(bend) + 300 * Math.cos(curl)) / 780;
    const foot = y - 40 * s + 26 * Math.sin(s * 5.2 + seed * 1.7 + drift * 0.8) + 7 * Math.sin(s * 17 - drift * 1.3);
    const ray = noise(s * 70 + drift * 2.2, seed) * 0.6 + noise(s * 210 - drift * 3, seed + 20) * 0.4;
    const veil = noise(s * 4.5 - drift * 0.6, seed + 40);
    const height = tall * (0.55 + 0.75 * noise(s * 26 + drift * 1.4, seed + 60)) * (0.75 + 0.5 * veil);
    const fanned = Math.min(1.25, 0.1 + 0.9 * spread);
    const ends = Math.sin(Math.PI * s) ** 0.6;
    brush.globalAlpha = Math.min(1, power * ends * fanned * (0.2 + 1.1 * ray ** 2) * (0.14 + 1.5 * veil ** 2));
    brush.drawImage(strip, x, foot - height, 2.6, height);
  }
}

function draw(t) {
  const { width, height } = sky;
  brush.globalCompositeOperation = "source-over";
  brush.clearRect(0, 0, width, height);
  brush.globalCompositeOperation = "lighter";
  for (const curtain of CURTAINS) drawCurtain(curtain, t + 4);

  const waxing = 0.45 + 0.55 * Math.min(1, t / 2.4) ** 0.7;
  pen.clearRect(0, 0, width, height);
  pen.globalAlpha = waxing;
  pen.drawImage(lights, 0, 0);

  const deep = height - SHORE;
  for (let row = 0; row < deep; row++) {
    const depth = row / deep;
    const from = SHORE - 1 - row * 2.6 - 2 * Math.sin(row * 0.9 - t * 3);
    if (from < 1) break;
    const sway = (0.6 + 7 * depth) * Math.sin(row * 0.75 - t * 2.6) + 2.5 * depth * Math.sin(row * 2.1 + t * 4.1);
    pen.globalAlpha = waxing * (1 - 0.45 * depth);
    pen.drawImage(lights, 0, from, width, 1.6, sway, SHORE + row, width, 1.25);
  }
}

drawStars(document.querySelector("#stars-a"), 520, 11);
drawStars(document.querySelector("#stars-b"), 380, 5003);

const ridges = [ridge("url(#far)", 250, 520, 3), ridge("url(#middle)", 165, 380, 29)];
const mirror = document.createElementNS(SVG, "g");
mirror.setAttribute("class", "mirror");
mirror.setAttribute("transform", `translate(0 ${HORIZON * 1.4}) scale(1 -0.4)`);
mirror.append(...ridges.map((path) => path.cloneNode()));
const water = shape(`M-40 ${HORIZON}H1960V1120H-40Z`, "url(#water)");
document.querySelector("#land").append(...ridges, mirror, water);
document.querySelector("#front").append(shore());

// The title's glow: the same strokes, wider and faint, beneath.
const ink = document.querySelector(".ink");
for (const name of ["glow wide", "glow"]) {
  const copy = ink.cloneNode(true);
  copy.setAttribute("class", name);
  ink.before(copy);
}

if (window.helios) {
  window.helios.seek = draw; // seconds; with this, chunks start anywhere without stepping up to their first frame
} else {
  const loop = (now) => {
    draw(now / 1000);
    requestAnimationFrame(loop);
  };
  requestAnimationFrame(loop);
}
