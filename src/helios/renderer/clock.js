// The clock of a page. It runs before any script of the page, in every document of it, and puts time into
// Helios' hands: Date, Temporal, performance.now, timers, animation frames, CSS and Web Animations, SVG/SMIL,
// media elements and Math.random all follow the frame that is asked for by `advance`.
//
// One clock serves a page and its same-origin frames. HELIOS_CONFIG is put in by page.py:
// {epoch: ms since 1970 at frame 0, seed, props, manual: hold animations still instead of letting them run}.
(() => {
  const config = HELIOS_CONFIG;
  const KEY = Symbol.for("helios.clock");
  if (window[KEY]) return;

  const native = {
    setTimeout: window.setTimeout.bind(window),
    requestAnimationFrame: window.requestAnimationFrame.bind(window),
    post: MessagePort.prototype.postMessage,
    now: performance.now.bind(performance),
  };

  let clock = null;
  try {
    if (window.parent !== window) clock = window.parent[KEY] ?? null;
  } catch {
    clock = null; // another origin: this document keeps a clock of its own
  }
  clock ??= createClock();
  Object.defineProperty(window, KEY, { value: clock });
  governTime();
  governTimers();
  governRandom();
  governAnimations();
  governMedia();
  watchLoading();
  offerHelios();

  function createClock() {
    const timers = new Map(); // id -> {owner, due, order, run, every, level, eager}
    const frames = new Map(); // id -> {owner, callback}
    const pending = new Set(); // labels of what must end before the page may be drawn
    const animations = new WeakMap(); // animation -> {at, time}: it stood at `time` when the clock stood at `at`
    const channel = new MessageChannel();
    const turns = [];
    channel.port1.onmessage = () => turns.shift()();

    const self = {
      now: 0,
      frame: -1,
      activity: 0,
      stateful: false, // something was seen that only stepping through every frame can repeat
      unseen: false, // something draws without the page's layers being changed
      videos: 0,
      level: 0,
      nextId: 1,
      roots: new Set(), // shadow roots, weakly held
      media: new WeakMap(),
      helios: { props: config.props, seek: null },
      pending,
      animations,

      addTimer(owner, run, delay, every) {
        const wanted = Number(delay) || 0;
        const level = self.level + 1;
        const wait = Math.max(level > 5 ? 4 : 1, Math.min(wanted, 2 ** 31 - 1));
        const id = self.nextId++;
        const eager = !every && wanted <= 0 && level <= 5 && self.frame < 0;
        timers.set(id, { owner, due: self.now + wait, order: id, run, every: every ? wait : 0, level, eager });
        self.activity++;
        return id;
      },
      dropTimer: (id) => void timers.delete(Number(id)),

      addFrame(owner, callback) {
        const id = self.nextId++;
        frames.set(id, { owner, callback });
        return id;
      },
      dropFrame: (id) => void frames.delete(id),

      /** Keeps the page from being drawn until `promise` is settled. */
      track(promise, label) {
        const entry = { label, promise };
        pending.add(entry);
        self.activity++;
        const done = () => {
          pending.delete(entry);
          self.activity++;
        };
        promise.then(done, done);
        return promise;
      },

      /** One turn of the event loop: tasks and microtasks that are ready get to run. */
      turn() {
        return new Promise((resolve) => {
          turns.push(resolve);
          native.post.call(channel.port2, 0);
        });
      },

      /** Resolves when nothing that the page has begun is still under way. */
      async settle() {
        for (let quiet = 0, round = 0; quiet < 2 && round < 200; round++) {
          const before = self.activity;
          await self.turn();
          watchDocuments();
          const waiting = [...pending];
          if (waiting.length && waiting.every((entry) => entry.held) && self.activity === before) {
            // Only the page itself holds. Time stands, so what it waits for may be a time-out of its own.
            if (await fireEarliestTimeout()) continue;
          }
          if (waiting.length) {
            await Promise.race([...pending].map((entry) => entry.promise.catch(() => {})));
            quiet = 0;
            round = 0;
            continue;
          }
          if (self.frame < 0 && (await fireEager())) continue;
          quiet = self.activity === before ? quiet + 1 : 0;
        }
      },

      /** Everything has arrived: animations that the page has begun by now begin with frame 0. */
      async ready() {
        await self.settle();
        noteAnimations();
      },

      waitingFor: () => [...pending].map((entry) => entry.label),

      /**
       * Moves the page from where it stands to `time` (ms), the time of `frame`. `step` is how far (ms) the
       * compositor's own time will move with the frame that is drawn next. Resolves to whether all that can
       * change on the page shows as a change of its layers.
       */
      async advance(frame, time, step) {
        noteAnimations();
        const before = self.now;
        await runTimers(time);
        noteAnimations(before, time);
        self.now = time;
        self.frame = frame;
        placeAnimations();
        placeSvg();
        placeMedia();
        if (typeof self.helios.seek === "function") {
          guard(() => {
            const outcome = self.helios.seek(time / 1000);
            if (typeof outcome?.then === "function") self.track(Promise.resolve(outcome), "helios.seek()");
          });
          await self.turn();
        }
        const due = [...frames];
        for (const [id, { owner, callback }] of due) {
          if (!frames.delete(id) || owner.closed) continue;
          guard(() => callback.call(owner, time));
          await self.turn();
        }
        await self.settle();
        noteAnimations();
        if (config.manual) {
          placeAnimations();
          // Events of animations are sent with the browser's own next frame.
          await new Promise((drawn) => native.requestAnimationFrame(() => native.requestAnimationFrame(drawn)));
          await self.settle();
        } else if (leadAnimations(step) > 0) {
          self.placeWhenDrawn();
        }
        return !self.unseen && self.videos === 0;
      },

      /** Puts running animations to their exact place inside of the next frame that is drawn. */
      placeWhenDrawn: () => native.requestAnimationFrame(placeAnimations),

      /** How the page can get to a frame: "seek", "jump" (only declared animations) or "step". */
      motion() {
        if (typeof self.helios.seek === "function") return "seek";
        return self.stateful || timers.size || frames.size || chainedInMarkup() ? "step" : "jump";
      },
    };

    // Chromium rounds the timeline of animations to 0.1 ms with random jitter, so a running animation is put to
    // its exact place within every frame; BIAS lets a boundary that falls on a frame count as passed. Events are
    // sent before that, by the jittery time: LEAD takes it clear of the boundary, to the side where it belongs.
    const BIAS = 0.001;
    const LEAD = 0.4;

    // Timeline arithmetic is in doubles of seconds: multiples of 2^-30 s pass through it without being rounded.
    const grid = (ms) => (Math.round((ms / 1000) * 2 ** 30) / 2 ** 30) * 1000;

    const expected = (animation, place, now = self.now) => place.time + (now - place.at) * animation.playbackRate;

    /**
     * Learns where animations stand: those that are new, and those that the page itself paused, resumed or
     * moved since the clock stood at `before`. What they do from here on begins at `at`.
     */
    function noteAnimations(before = self.now, at = self.now) {
      for (const animation of everyAnimation()) {
        const time = animation.currentTime;
        const place = animations.get(animation);
        if (typeof time !== "number" || !follows(animation) || place?.held) continue;
        if (animation.playState === "paused") {
          // A pause takes effect with the next frame, at a jittery time; setting the time ends it here and now.
          if (animation.pending && place) animation.currentTime = grid(expected(animation, place, at));
          if (place) place.paused = true;
        } else if (animation.playState === "running") {
          if (place && !place.paused && Math.abs(time - expected(animation, place, before)) <= 1) continue;
          // What began with a frame that was drawn meanwhile began at the clock's time, give or take the jitter
          // (or, where frames are not ours to begin, the time until it was seen).
          const begun = !place && !animation.pending && (config.manual || Math.abs(time) < 2);
          animations.set(animation, { at, time: begun ? 0 : Math.round(time * 1000) / 1000 });
          if (config.manual) hold(animation, animations.get(animation), time);
        }
      }
    }

    function* runningAnimations() {
      for (const animation of everyAnimation()) {
        const place = animations.get(animation);
        if (place && follows(animation) && (place.held || animation.playState === "running")) yield [animation, place, expected(animation, place)];
      }
    }

    function placeAnimations() {
      const bias = self.now > 0 ? BIAS : 0;
      for (const [animation, place, time] of runningAnimations()) {
        if (config.manual) hold(animation, place, time);
        else animation.currentTime = grid(time + bias * animation.playbackRate);
      }
    }

    /** Places animations so that the next frame, `step` further on, finds them about where they belong. */
    function leadAnimations(step) {
      let running = 0;
      for (const [animation, , time] of runningAnimations()) {
        running++;
        if (animation.pending) continue;
        const lead = untilBoundary(animation, time) < 2 * LEAD + BIAS ? -LEAD : LEAD;
        animation.currentTime = grid(time + (lead - step) * animation.playbackRate);
      }
      return running;
    }

    /** How long (ms) until the animation begins, repeats or ends. */
    function untilBoundary(animation, time) {
      const { delay, duration, endTime } = animation.effect.getComputedTiming();
      const rate = animation.playbackRate;
      const [from, until] = rate < 0 ? [-endTime, -delay] : [delay, endTime];
      const at = rate < 0 ? -time : time;
      const passed = at + BIAS; // a boundary that falls on this frame is behind it
      if (passed < from) return (from - at) / Math.abs(rate);
      const inside = duration > 0 ? duration - ((passed - from) % duration) : Infinity;
      return Math.min(inside, passed < until ? until - at : Infinity) / Math.abs(rate);
    }

    /** Whether it is the clock that moves it, and not a scroll position. */
    function follows(animation) {
      return animation.effect && String(animation.timeline) === "[object DocumentTimeline]";
    }

    function hold(animation, place, time) {
      if (!place.held) {
        animation.pause();
        place.held = true;
      }
      const end = animation.effect?.getComputedTiming().endTime ?? Infinity;
      if (animation.playbackRate > 0 ? time >= end : time <= 0) {
        place.held = false;
        animation.finish();
      } else {
        animation.currentTime = grid(time + BIAS * Math.sign(time));
      }
    }

    function placeSvg() {
      for (const document of everyDocument()) {
        for (const svg of document.querySelectorAll("svg")) {
          if (svg.ownerSVGElement) continue;
          if (svg[KEY] === undefined) {
            svg[KEY] = self.frame <= 0 ? 0 : self.now;
            svg.pauseAnimations();
          }
          svg.setCurrentTime((self.now - svg[KEY]) / 1000);
        }
      }
    }

    function placeMedia() {
      self.videos = 0;
      for (const document of everyDocument()) {
        self.videos += document.querySelectorAll("video").length;
        for (const element of document.querySelectorAll("video, audio")) self.media.get(element)?.place();
      }
    }

    function watchDocuments() {
      for (const document of everyDocument()) {
        if (document.fonts?.status === "loading") trackOnce(document.fonts, document.fonts.ready, "fonts");
        for (const image of document.images) {
          if (image.complete || image.loading === "lazy") continue;
          trackOnce(image, ended(image, "load", "error"), `image ${image.currentSrc || image.src}`);
        }
        for (const element of document.querySelectorAll("video")) self.govern?.(element);
      }
    }

    const tracked = new WeakSet();
    function trackOnce(key, promise, label) {
      if (tracked.has(key)) return;
      tracked.add(key);
      self.track(promise, label).catch(() => {}).finally(() => tracked.delete(key));
    }

    function* everyDocument(view = window) {
      let document;
      try {
        document = view.document;
      } catch {
        return; // another origin
      }
      if (!document) return;
      yield document;
      for (let i = 0; i < view.frames.length; i++) yield* everyDocument(view.frames[i]);
    }

    function* everyAnimation() {
      for (const document of everyDocument()) yield* document.getAnimations();
      for (const reference of self.roots) {
        const root = reference.deref();
        if (!root) self.roots.delete(reference);
        else if (root.isConnected) yield* root.getAnimations();
      }
    }

    // Handlers, and SMIL animations that begin with an event or with another animation, are passed one by one.
    function chainedInMarkup() {
      const chained = (element) => ["begin", "end"].some((name) => /[a-z_][\w-]*\.|[a-z]{4}/i.test(element.getAttribute(name) ?? ""));
      const names = "onanimationstart onanimationiteration onanimationend onanimationcancel ontransitionrun"
        + " ontransitionstart ontransitionend ontransitioncancel onbegin onend onrepeat";
      const selector = names.split(" ").map((name) => `[${name}]`).join();
      return [...everyDocument()].some(
        (document) => document.querySelector(selector) || [...document.querySelectorAll("[begin], [end]")].some(chained),
      );
    }

    const next = (wanted) => {
      let best = null;
      for (const [id, timer] of timers) {
        if (!wanted(timer)) continue;
        if (!best || timer.due < best[1].due || (timer.due === best[1].due && timer.order < best[1].order)) {
          best = [id, timer];
        }
      }
      return best;
    };

    async function fire([id, timer]) {
      if (timer.every) {
        timer.due += timer.every;
        timer.order = self.nextId++;
      } else {
        timers.delete(id);
      }
      if (timer.owner.closed) return void timers.delete(id);
      self.level = timer.level;
      guard(timer.run);
      self.level = 0;
      self.activity++;
      await self.turn();
    }

    async function runTimers(until) {
      for (let due; (due = next((timer) => timer.due <= until)); ) {
        self.now = Math.max(self.now, due[1].due);
        await fire(due);
      }
    }

    async function fireEager() {
      const due = next((timer) => timer.eager);
      if (due) await fire(due);
      return due !== null;
    }

    async function fireEarliestTimeout() {
      const due = next((timer) => !timer.every);
      if (due) await fire(due);
      return due !== null;
    }

    return self;
  }

  function guard(run) {
    try {
      return run();
    } catch (error) {
      reportError(error); // as the browser would: window.onerror, and the script goes on
    }
  }

  function ended(target, ...types) {
    return new Promise((resolve) => {
      for (const type of types) target.addEventListener(type, resolve, { once: true });
    });
  }

  function replace(target, name, value) {
    Object.defineProperty(target, name, { value, configurable: true, enumerable: true, writable: true });
  }

  function redefine(prototype, name, wrap) {
    const original = Object.getOwnPropertyDescriptor(prototype, name);
    Object.defineProperty(prototype, name, { ...original, ...wrap(original) });
    return original;
  }

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
      clock.activity++;
      return native.post.apply(this, args);
    };
    const post = window.postMessage;
    window.postMessage = function (...args) {
      clock.activity++;
      return post.apply(window, args);
    };
    const transfer = HTMLCanvasElement.prototype.transferControlToOffscreen;
    HTMLCanvasElement.prototype.transferControlToOffscreen = function () {
      clock.unseen = true;
      return transfer.call(this);
    };
    for (const name of ["Worker", "SharedWorker", "WebSocket", "EventSource"]) {
      if (!window[name]) continue;
      window[name] = new Proxy(window[name], {
        construct(target, args, self) {
          clock.stateful = true;
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

  function governAnimations() {
    const eventful = /^(animation|transition)(start|end|iteration|run|cancel)$|^(begin|end|repeat)Event$|^finish$/;
    const listen = EventTarget.prototype.addEventListener;
    EventTarget.prototype.addEventListener = function (type, ...rest) {
      if (eventful.test(type)) clock.stateful = true;
      return listen.call(this, type, ...rest);
    };
    const stirs = (original) => ({
      set(value) {
        clock.stateful = true;
        original.set.call(this, value);
      },
    });
    for (const prototype of [HTMLElement.prototype, SVGElement.prototype, Document.prototype, window]) {
      for (const name of Object.getOwnPropertyNames(prototype)) {
        if (/^on(animation|transition)/.test(name)) redefine(prototype, name, stirs);
      }
    }
    redefine(Animation.prototype, "onfinish", stirs);
    redefine(Animation.prototype, "finished", (original) => ({
      get() {
        clock.stateful = true;
        return original.get.call(this);
      },
    }));
    redefine(Animation.prototype, "startTime", (original) => ({
      get() {
        const place = clock.animations.get(this);
        if (original.get.call(this) === null) return null;
        return place ? place.at - place.time / this.playbackRate : clock.now;
      },
      set(value) {
        if (value === null || !(this.timeline instanceof DocumentTimeline)) return original.set.call(this, value);
        this.currentTime = (clock.now - value) * this.playbackRate;
        if (this.playState !== "running") this.play();
      },
    }));
    const attach = Element.prototype.attachShadow;
    Element.prototype.attachShadow = function (init) {
      const root = attach.call(this, init);
      clock.roots.add(new WeakRef(root));
      return root;
    };
    listen.call(window, "DOMContentLoaded", () => {
      for (const element of document.querySelectorAll("*")) {
        if (element.shadowRoot) clock.roots.add(new WeakRef(element.shadowRoot)); // declared in the markup
      }
    });
  }

  // A media element plays on the clock: its own playback stands still and is sought to where it should be.
  function governMedia() {
    const prototype = HTMLMediaElement.prototype;
    const pause = prototype.pause;
    const position = Object.getOwnPropertyDescriptor(prototype, "currentTime");
    const length = (element) => (Number.isFinite(element.duration) ? element.duration : Infinity);

    function govern(element) {
      const known = clock.media.get(element);
      if (known) return known;
      let [playing, at, from] = [false, clock.now, position.get.call(element)];
      const where = () => {
        const time = from + (playing ? ((clock.now - at) / 1000) * element.playbackRate : 0);
        const end = length(element);
        return element.loop && end < Infinity ? time % end : Math.min(time, end);
      };
      const anchor = (time) => ([at, from] = [clock.now, time]);
      const tell = (type) => element.dispatchEvent(new Event(type));
      const state = {
        where,
        playing: () => playing,
        play() {
          if (!playing) {
            anchor(where() >= length(element) ? 0 : where());
            playing = true;
            tell("play");
            tell("playing");
          }
          return Promise.resolve();
        },
        pause() {
          pause.call(element);
          if (!playing) return;
          anchor(where());
          playing = false;
          tell("pause");
        },
        seek(time) {
          anchor(Math.max(0, Math.min(Number(time), length(element))));
          state.place();
        },
        rate: () => anchor(where()),
        place() {
          if (element instanceof HTMLVideoElement && element.readyState >= 1) {
            // Half a millisecond in, so that a position on a frame's border shows the frame that begins there.
            const wanted = Math.min(where() + 0.0005, length(element));
            if (Math.abs(position.get.call(element) - wanted) > 1e-6) {
              const sought = ended(element, "seeked", "error", "emptied");
              position.set.call(element, wanted);
              clock.track(sought, `video ${element.currentSrc}`);
            }
          }
          if (playing && !element.loop && where() >= length(element)) {
            anchor(length(element));
            playing = false;
            tell("pause");
            tell("ended");
          }
        },
      };
      clock.media.set(element, state);
      if (element.autoplay) {
        element.autoplay = false;
        [playing, at, from] = [true, clock.now, 0];
      }
      pause.call(element);
      if (element instanceof HTMLVideoElement && element.readyState < 2 && (element.currentSrc || element.src)) {
        clock.track(ended(element, "loadeddata", "error", "emptied"), `video ${element.currentSrc || element.src}`);
      }
      return state;
    }

    clock.govern ??= govern;
    prototype.play = function () {
      return govern(this).play();
    };
    prototype.pause = function () {
      govern(this).pause();
    };
    redefine(prototype, "paused", () => ({
      get() {
        return !govern(this).playing();
      },
    }));
    redefine(prototype, "ended", () => ({
      get() {
        return !this.loop && govern(this).where() >= length(this);
      },
    }));
    redefine(prototype, "currentTime", () => ({
      get() {
        return govern(this).where();
      },
      set(time) {
        govern(this).seek(time);
      },
    }));
    redefine(prototype, "playbackRate", (original) => ({
      set(rate) {
        govern(this).rate();
        original.set.call(this, rate);
      },
    }));
  }

  // What a page loads must have arrived before it is drawn.
  function watchLoading() {
    const fetch = window.fetch;
    window.fetch = (...args) => clock.track(fetch.apply(window, args), `fetch ${args[0]?.url ?? args[0]}`);
    for (const name of ["arrayBuffer", "blob", "bytes", "formData", "json", "text"]) {
      const read = Response.prototype[name];
      if (!read) continue;
      Response.prototype[name] = function () {
        return clock.track(read.call(this), `the body of ${this.url}`);
      };
    }
    const open = XMLHttpRequest.prototype.open;
    const addresses = new WeakMap();
    XMLHttpRequest.prototype.open = function (method, url, ...rest) {
      addresses.set(this, url);
      return open.call(this, method, url, ...rest);
    };
    const send = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (body) {
      clock.track(ended(this, "loadend"), `request ${addresses.get(this)}`);
      return send.call(this, body);
    };
    const decode = HTMLImageElement.prototype.decode;
    HTMLImageElement.prototype.decode = function () {
      return clock.track(decode.call(this), `image ${this.src}`);
    };
    redefine(HTMLImageElement.prototype, "src", (original) => ({
      set(value) {
        original.set.call(this, value);
        if (!this.complete && this.loading !== "lazy") clock.track(ended(this, "load", "error"), `image ${this.src}`);
      },
    }));
    const load = FontFace.prototype.load;
    FontFace.prototype.load = function () {
      return clock.track(load.call(this), `font ${this.family}`);
    };
    const bitmap = window.createImageBitmap;
    window.createImageBitmap = (...args) => clock.track(bitmap.apply(window, args), "createImageBitmap()");
  }

  function offerHelios() {
    const helios = clock.helios;
    const holds = [];
    helios.hold ??= (label = "helios.hold()") => {
      const entry = { label, held: true };
      entry.promise = new Promise((resolve) => (entry.done = resolve));
      holds.push(entry);
      clock.pending.add(entry);
      clock.activity++;
    };
    helios.release ??= () => {
      const entry = holds.shift();
      if (!entry) return;
      clock.pending.delete(entry);
      clock.activity++;
      entry.done();
    };
    Object.defineProperty(window, "helios", {
      configurable: true,
      get: () => helios,
      set: (value) => void Object.assign(helios, value),
    });
  }
})();
