// The stage: a canvas with the page in it, in a frame of its own, drawn by Chromium's HTML-in-canvas
// (https://wicg.github.io/html-in-canvas/) and handed to a worker as raw pixels. The page itself is untouched.
//
// scripts.py puts this into a document with `config` in front of it: {url of the page, width, height, direct: the
// page's own canvas may be taken, alpha: it stands on nothing, writer: the worker's source}. What happens is told through the binding `heliosStage`, as JSON.

const { width, height } = config;
const canvas = document.createElement("canvas");
const frame = document.createElement("iframe");
Object.assign(canvas, { width, height });
canvas.setAttribute("layoutsubtree", "");
frame.referrerPolicy = "no-referrer";
frame.allow = "autoplay; fullscreen; xr-spatial-tracking";
for (const element of [canvas, frame]) Object.assign(element.style, { width: `${width}px`, height: `${height}px` });
canvas.append(frame);
document.body.append(canvas);
frame.src = config.url;

const context = canvas.getContext("2d", { alpha: config.alpha });
const clock = window[Symbol.for("helios.clock")];
let worker;
let armed = false;
let painted = "";
let taken = null; // the frame that was painted since the last look, or what kept it from being taken
let pictures = 0;
let finished; // called when the encoder is done, or nothing more will come
let failed = false;

// drawElementImage draws into a layer of the size of what it may touch. In bands, that layer is small enough to be
// reused by the allocator and to stay in the cache; their height is a multiple of the 8 rows of Skia's dithering.
const LAYER_BYTES = 960_000;
const band = Math.max(8, Math.floor(LAYER_BYTES / (4 * width) / 8) * 8);

function drawPage() {
  for (let top = 0; top < height; top += band) {
    context.save();
    context.beginPath();
    context.rect(0, top, width, band);
    context.clip();
    if (config.alpha) context.clearRect(0, top, width, band);
    context.drawElementImage(frame, 0, 0);
    context.restore();
  }
  return canvas;
}

canvas.onpaint = () => {
  painted = frame.className;
  if (!armed || clock.drawingHeld) return;
  try {
    const reason = unsafe();
    if (reason) throw new Error(`there is ${reason}`);
    const whole = config.direct ? wholeCanvas(frame.contentDocument) : null;
    const picture = new VideoFrame(whole ?? drawPage(), { timestamp: 0 });
    worker.postMessage({ picture, frame: clock.frame, sequence: pictures++ }, [picture]);
    taken = { frame: clock.frame, direct: whole !== null };
  } catch (error) {
    taken = { error: error.message };
  }
};

/** The page's canvas, where it is all that can be seen: 2D, as large as the page, nothing over or around it. */
function wholeCanvas(page) {
  const elements = page.body?.getElementsByTagName("*") ?? [];
  const [found, another] = page.getElementsByTagName("canvas");
  const standing = [...page.documentElement.children].filter((element) => element !== clock.captions?.host);
  if (!found || another || elements.length > 64 || standing.length > 2 || clock.captions?.shown) return null;
  const { head } = page;
  if (head && page.defaultView.getComputedStyle(head).display !== "none") return null;
  if (clock.contexts.get(found) !== "2d" || found.width !== width || found.height !== height) return null;
  const settings = found.getContext("2d").getContextAttributes();
  if (settings.colorSpace !== "srgb" || (settings.colorType ?? "unorm8") !== "unorm8") return null;
  const place = found.getBoundingClientRect();
  if (place.x || place.y || place.width !== width || place.height !== height) return null;
  const around = new Set();
  for (let element = found; element; element = element.parentElement) around.add(element);
  for (const element of elements) {
    if (around.has(element)) continue;
    const { display } = element.ownerDocument.defaultView.getComputedStyle(element);
    if (display !== "none" || element.shadowRoot) return null;
  }
  for (const element of around) {
    if (!isPlain(element, element === found) || (element !== found && clips(element))) return null;
  }
  return page.body.innerText.trim() ? null : found;
}

/** Whether what an element holds may be cut off at its edges; at the edges of the page, nothing is lost. */
function clips(element) {
  const { documentElement: root, body, defaultView } = element.ownerDocument;
  if (element === root) return false;
  const { overflowX, overflowY, contain } = defaultView.getComputedStyle(element);
  if (contain !== "none") return true;
  if (overflowX === "visible" && overflowY === "visible") return false;
  const outer = defaultView.getComputedStyle(root); // where it is visible, the body's is the viewport's
  return element !== body || outer.overflowX !== "visible" || outer.overflowY !== "visible";
}

const PLAIN = {
  outlineStyle: "none", contentVisibility: "visible", webkitMaskBoxImageSource: "none", objectViewBox: "none",
  opacity: "1", filter: "none", backdropFilter: "none", mixBlendMode: "normal", clipPath: "none", maskImage: "none",
  transform: "none", translate: "none", rotate: "none", scale: "none", perspective: "none", visibility: "visible",
  borderRadius: "0px", clip: "auto", columnCount: "auto", zoom: "1",
};
const BARE = { borderTopWidth: "0px", borderLeftWidth: "0px", paddingTop: "0px", paddingLeft: "0px" };

function isPlain(element, whole) {
  if (element.shadowRoot) return false; // a closed one can't be seen: the probe has to
  const view = element.ownerDocument.defaultView;
  const style = view.getComputedStyle(element);
  const differs = (expected) => Object.entries(expected).some(([name, value]) => name in style && style[name] !== value);
  if (style.display === "list-item" || !/^(auto|0)$/.test(style.zIndex)) return false;
  if (differs(PLAIN) || (whole && differs(BARE))) return false;
  if (style.objectFit !== "fill" && whole) return false;
  return ["::before", "::after"].every((pseudo) => /^(none|normal)$/.test(view.getComputedStyle(element, pseudo).content));
}

/** What stands on the page that is not drawn into a canvas, or null. */
function unsafe() {
  const inside = (view) => {
    for (let i = 0; i < view.frames.length; i++) {
      let document;
      try {
        document = view.frames[i].document;
      } catch {
        document = null;
      }
      if (!document) return "a frame of another origin";
      const found = inside(view.frames[i]);
      if (found) return found;
    }
    return null;
  };
  if (!frame.contentDocument) return "a page that can't be put into a frame";
  for (const element of clock.found("iframe, frame, object, embed")) {
    if (element.contentDocument === null && element.getClientRects().length) return "a frame of another origin";
  }
  return inside(frame.contentWindow) ?? clock.found("canvas").map(scaled).find(Boolean) ?? null;
}

/** Why a canvas would be drawn otherwise: it is drawn in its own size, from the corner of its box. */
function scaled(canvas) {
  if (!canvas.getClientRects().length) return null;
  const style = canvas.ownerDocument.defaultView.getComputedStyle(canvas);
  const sides = ["Top", "Right", "Bottom", "Left"];
  const framed = sides.some((side) => parseFloat(style[`border${side}Width`]) || parseFloat(style[`padding${side}`]));
  const fits = parseFloat(style.width) === canvas.width && parseFloat(style.height) === canvas.height;
  const viewed = style.objectViewBox && style.objectViewBox !== "none";
  return framed || !fits || viewed ? "a canvas that is scaled, or has a border or padding" : null;
}

/** A page in a frame has no focus by itself, and nothing in it gets it by `autofocus`. */
function focusPage(view) {
  view.focus();
  const { activeElement, body } = view.document;
  if (!activeElement || activeElement === body) view.document.querySelector("[autofocus]")?.focus();
}

/** Has the next frame painted from scratch, by a change of what lies behind the page. */
function paintAnew() {
  frame.className = painted ? "" : "anew";
}

clock.onMove = () => {
  if (armed) paintAnew();
};

window[Symbol.for("helios.stage")] = {
  /** Opens the ring's file, at `size` bytes with `token` at its end. */
  async open(size, slot, token) {
    if (!context.drawElementImage) throw new Error("this browser can't draw elements into a canvas");
    const writer = URL.createObjectURL(new Blob([config.writer], { type: "text/javascript" }));
    worker = new Worker(`${writer}#helios`); // page.py knows it by that from the page's own workers
    const opened = new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve());
    });
    worker.postMessage({ open: { size, slot, token, alpha: config.alpha } });
    await opened;
    worker.onmessage = ({ data }) => {
      if (data.error) failed = true;
      if (data.error || data.packet || data.sequence !== undefined) heliosStage(JSON.stringify(data));
      if (data.error || data.finished) finished?.();
    };
    worker.onerror = ({ message }) => worker.onmessage({ data: { error: message } });
    focusPage(frame.contentWindow);
  },
  /** From here on, each frame that paints is taken, the next one even if nothing changes in it; or none is. */
  arm(on) {
    armed = on;
    if (on) paintAnew();
  },
  /** From here on, pictures are encoded too, with these settings of WebCodecs. */
  encode(encoding) {
    worker.postMessage({ encoding });
  },
  /** The last picture is encoded once more. */
  repeat() {
    worker.postMessage({ repeat: true });
  },
  /** Has the encoder give out what it still holds. */
  finish() {
    if (failed) return;
    worker.postMessage({ finish: true });
    return new Promise((resolve) => (finished = resolve));
  },
  unsafe,
  /** What became of the frame that was begun last: null where nothing was painted. */
  outcome() {
    const outcome = taken;
    taken = null;
    if (clock.unfit) return { error: `there is ${clock.unfit}` };
    if (!outcome && frame.className !== painted) return { error: "there is something that keeps the page from being painted" };
    return outcome;
  },
};
