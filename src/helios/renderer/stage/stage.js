// The stage: a canvas that contains the page in an <iframe>. Chromium draws the page into the canvas (HTML-in-canvas,
// https://wicg.github.io/html-in-canvas/), and a worker gets its raw pixels. The page itself is not modified.
//
// scripts.py puts the files of this folder (but for the worker, writer.js) into one function, this one last, with
// `config`:
//   url            of the page
//   width, height  in pixels
//   direct         frames may be taken from the page's own canvas
//   alpha          the background is transparent
//   writer         the worker's source
// The binding `heliosStage` sends the worker's messages to the renderer, as JSON.

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
let capturing = false;
let paintedClass = ""; // the frame's class when it was painted last
let outcome = null; // of the current frame: {frame, direct}, {error}, or null if nothing was painted
let sequence = 0;
let resolveFinish;
let failed = false;

// drawElementImage draws into a layer as large as the clip. The layer of a band is small enough for the allocator to
// reuse it, and for the processor's cache. Skia dithers in blocks of 8 rows, so a band is a multiple of that.
const LAYER_BYTES = 960_000;
const bandHeight = Math.max(8, Math.floor(LAYER_BYTES / (4 * width) / 8) * 8);

function drawPage() {
  for (let top = 0; top < height; top += bandHeight) {
    context.save();
    context.beginPath();
    context.rect(0, top, width, bandHeight);
    context.clip();
    if (config.alpha) context.clearRect(0, top, width, bandHeight);
    context.drawElementImage(frame, 0, 0);
    context.restore();
  }
  return canvas;
}

canvas.onpaint = () => {
  paintedClass = frame.className;
  if (!capturing || clock.drawingHeldFrame) return;
  try {
    const reason = findUnsupportedContent();
    if (reason) throw new Error(`there is ${reason}`);
    const pageCanvas = config.direct ? findPlainCanvas(frame.contentDocument) : null;
    const image = new VideoFrame(pageCanvas ?? drawPage(), { timestamp: 0 });
    worker.postMessage({ image, frame: clock.frame, sequence: sequence++ }, [image]);
    outcome = { frame: clock.frame, direct: pageCanvas !== null };
  } catch (error) {
    outcome = { error: error.message };
  }
};

/** A page in a frame has no focus, and the browser ignores its `autofocus`. */
function focusPage(view) {
  view.focus();
  const { activeElement, body } = view.document;
  if (!activeElement || activeElement === body) view.document.querySelector("[autofocus]")?.focus();
}

/** Makes Chromium repaint the whole page in the next frame, by a change of the background. */
function repaint() {
  frame.className = paintedClass ? "" : "repaint";
}

clock.onChange = () => {
  if (capturing) repaint();
};

window[Symbol.for("helios.stage")] = {
  /** Opens the ring's file of `size` bytes, with slots of `slot` bytes. `token` is its name, and written at its end. */
  async open(size, slot, token) {
    if (!context.drawElementImage) throw new Error("this browser can't draw elements into a canvas");
    const writer = URL.createObjectURL(new Blob([config.writer], { type: "text/javascript" }));
    worker = new Worker(`${writer}#helios`); // the fragment distinguishes it from the page's own workers (loads.py)
    const opened = new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve());
    });
    worker.postMessage({ open: { size, slot, token, alpha: config.alpha } });
    await opened;
    worker.onmessage = ({ data }) => {
      if (data.error) failed = true;
      if (data.error || data.packet || data.sequence !== undefined) heliosStage(JSON.stringify(data));
      if (data.error || data.finished) resolveFinish?.();
    };
    worker.onerror = ({ message }) => worker.onmessage({ data: { error: message } });
    focusPage(frame.contentWindow);
  },

  /**
   * From here on, every painted frame is captured, or none. The first frame is painted even if nothing changes in it.
   */
  setCapturing(on) {
    capturing = on;
    if (on) repaint();
  },

  /** From here on, the worker also encodes the frames, with `encoding`: settings of WebCodecs. */
  encode(encoding) {
    worker.postMessage({ encoding });
  },

  /** Encodes the last frame again. */
  repeatFrame() {
    worker.postMessage({ repeat: true });
  },

  /** Resolves when the encoder has returned all its packets, or has failed. */
  finish() {
    if (failed) return;
    worker.postMessage({ finish: true });
    return new Promise((resolve) => (resolveFinish = resolve));
  },

  findUnsupportedContent,

  /**
   * Returns the outcome of the current frame, and clears it: {frame, direct}, {error}, or null if nothing was
   * painted.
   */
  takeOutcome() {
    const taken = outcome;
    outcome = null;
    if (clock.unsupported) return { error: `there is ${clock.unsupported}` };
    if (!taken && frame.className !== paintedClass) return { error: "the browser did not paint the page" };
    return taken;
  },
};
