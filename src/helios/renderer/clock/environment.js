// What a page asks for the time, for chance and for Helios.

function governTime() {
  const wall = () => Math.floor(config.epoch + clock.now);
  const NativeDate = Date;
  NativeDate.now = wall;
  const HeliosDate = new Proxy(NativeDate, {
    construct: (target, args, self) => Reflect.construct(target, args.length ? args : [wall()], self),
    apply: () => new NativeDate(wall()).toString(),
  });
  NativeDate.prototype.constructor = HeliosDate;
  window.Date = HeliosDate;

  Performance.prototype.now = () => clock.now;
  redefine(Performance.prototype, "timeOrigin", () => ({ get: () => config.epoch }));
  redefine(AnimationTimeline.prototype, "currentTime", (original) => ({
    get() {
      return this instanceof DocumentTimeline ? clock.now : original.get.call(this);
    },
  }));

  const instant = () => Temporal.Instant.fromEpochMilliseconds(wall());
  const zoned = (zone) => instant().toZonedDateTimeISO(zone ?? Temporal.Now.timeZoneId());
  if (typeof Temporal === "object") {
    replace(Temporal.Now, "instant", instant);
    replace(Temporal.Now, "zonedDateTimeISO", zoned);
    replace(Temporal.Now, "plainDateTimeISO", (zone) => zoned(zone).toPlainDateTime());
    replace(Temporal.Now, "plainDateISO", (zone) => zoned(zone).toPlainDate());
    replace(Temporal.Now, "plainTimeISO", (zone) => zoned(zone).toPlainTime());
  }
}

function governTimers() {
  const runner = (handler, args) =>
    typeof handler === "function" ? () => handler.apply(window, args) : () => window.eval(String(handler));
  window.setTimeout = (handler, delay, ...args) => clock.addTimer(window, runner(handler, args), delay, false);
  window.setInterval = (handler, delay, ...args) => clock.addTimer(window, runner(handler, args), delay, true);
  window.clearTimeout = window.clearInterval = clock.dropTimer;
  window.requestAnimationFrame = (callback) => clock.addFrame(window, callback);
  window.cancelAnimationFrame = clock.dropFrame;
  const idle = { didTimeout: false, timeRemaining: () => 50 };
  window.requestIdleCallback = (callback) => clock.addTimer(window, () => callback(idle), 1, false);
  window.cancelIdleCallback = clock.dropTimer;

  MessagePort.prototype.postMessage = function (...args) {
    clock.stir();
    return native.post.apply(this, args);
  };
  const post = window.postMessage;
  window.postMessage = function (...args) {
    clock.stir();
    return post.apply(window, args);
  };
  const transfer = HTMLCanvasElement.prototype.transferControlToOffscreen;
  HTMLCanvasElement.prototype.transferControlToOffscreen = function () {
    clock.unseen = true;
    clock.unfit ??= "a canvas that was given away";
    return transfer.call(this);
  };
  for (const prototype of [HTMLCanvasElement.prototype, OffscreenCanvas.prototype]) {
    const getContext = prototype.getContext;
    prototype.getContext = function (kind, ...rest) {
      // What is drawn past the compositor is drawn past us too.
      if (rest[0]?.desynchronized) rest[0] = { ...rest[0], desynchronized: false };
      const context = getContext.call(this, kind, ...rest);
      if (context) clock.contexts.set(this, kind);
      return context;
    };
  }
  if (window.AudioContext) {
    window.AudioContext = new Proxy(window.AudioContext, {
      construct(target, args, self) {
        clock.warn("AudioContext is left out of the audio: add its audio with --audio");
        return Reflect.construct(target, args, self);
      },
    });
  }
  for (const name of ["Worker", "SharedWorker", "WebSocket", "EventSource"]) {
    if (!window[name]) continue;
    window[name] = new Proxy(window[name], {
      construct(target, args, self) {
        clock.stateful = clock.hasWorkers = true;
        return Reflect.construct(target, args, self);
      },
    });
  }
}

// sfc32, Chris Doty-Humphrey's small fast chaotic generator (PractRand), seeded by the job.
function governRandom() {
  let [a, b, c, d] = [config.seed, 0x9e3779b9, 0x243f6a88, 1];
  const random = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 15; i++) random();
  Math.random = () => ((random() >>> 5) * 2 ** 26 + (random() >>> 6)) / 2 ** 53;
}

function offerHelios() {
  const helios = clock.helios;
  if (onStage) helios.props = config.props; // of the page's own realm, as its scripts expect
  const holds = [];
  helios.hold ??= (label = "helios.hold()") => {
    const entry = { label, own: true, doubtful: false };
    entry.promise = new Promise((resolve) => (entry.done = resolve));
    holds.push(entry);
    clock.pending.add(entry);
    clock.stir();
  };
  helios.release ??= () => {
    const entry = holds.shift();
    if (!entry) return;
    clock.pending.delete(entry);
    clock.stir();
    entry.done();
  };
  Object.defineProperty(window, "helios", {
    configurable: true,
    get: () => helios,
    set: (value) => void Object.assign(helios, value),
  });
}
