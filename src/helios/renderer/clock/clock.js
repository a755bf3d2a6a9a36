// The clock of a page. It runs before any script of the page, in every document of it, and puts time into
// Helios' hands: Date, Temporal, performance.now, timers, animation frames, CSS and Web Animations, SVG/SMIL,
// media elements and Math.random all follow the frame that is asked for by `advance`.
//
// One clock serves a page and its same-origin frames. scripts.py puts the files of this folder into one function,
// with `config` in front of them: {epoch: ms since 1970 at frame 0, seed, props, manual: animations are held
// still, where frames are not ours to begin; staged: the page stands in a frame of the stage's document; captions:
// [from, to (ms), text] of what is shown over the page}.

const KEY = Symbol.for("helios.clock");
const native = {
  requestAnimationFrame: window.requestAnimationFrame.bind(window),
  fetch: window.fetch.bind(window),
  decode: HTMLImageElement.prototype.decode,
  source: Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src").set,
  setAttribute: Element.prototype.setAttribute,
  paused: Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "paused").get,
  post: MessagePort.prototype.postMessage,
  setTimeout: window.setTimeout.bind(window),
  then: Promise.prototype.then,
  request: window.heliosRequest, // of page.py: "quiet" or "frame"
};
delete window.heliosRequest;
const clock = window[KEY] ?? parentClock() ?? createClock();
const isStage = config.staged && window === window.top;
const onStage = config.staged && !isStage && window.parent === window.top;
const isEmpty = onStage && location.href === "about:blank"; // what the frame on the stage holds before the page
if (!window[KEY] && !isEmpty) {
  Object.defineProperty(window, KEY, { value: clock });
  if (!isStage) govern();
}

function govern() {
  if (config.captions.length && (config.staged ? onStage : window === window.top)) governCaptions();
  if (onStage) hideStage();
  governTime();
  governTimers();
  governRandom();
  governAnimations();
  governMedia();
  if (config.staged) {
    governStyles();
    keepCanvasesPlaced();
  }
  watchLoading();
  offerHelios();
}

function parentClock() {
  try {
    return window.parent === window ? null : window.parent[KEY];
  } catch {
    return null; // another origin: this document keeps a clock of its own
  }
}

function createClock() {
  const timers = new Map(); // id -> {owner, due, order, run, every, level, eager, held, spell}
  const frames = new Map(); // id -> {owner, callback}
  const pending = new Set(); // labels of what must end before the page may be drawn
  const channel = new MessageChannel();
  const turns = [];
  channel.port1.onmessage = () => turns.shift()();

  const self = {
    now: 0,
    frame: -1,
    activity: 0, // counts what has happened
    onActivity: () => {},
    held: 0, // how far (ms) a page that holds is in the time of its own (holding.js)
    heldSpells: 0, // how often it has held
    heldFrames: 0, // how many frames were drawn meanwhile, each a microsecond of the compositor's time
    drawingHeld: false, // whether such a frame is being drawn
    resolveRequest: () => {}, // called by page.py when it has done what it was asked for
    hasWorkers: false, // something works for the page beside it, unseen
    stateful: false, // something was seen that only stepping through every frame can repeat
    unfit: null, // what was seen that a stage can't show
    unseen: false, // something draws without the page's layers being changed
    sought: false, // a video is shown by seeking, which no layer tells of
    pace: 0, // how far (ms) the clock was moved last
    level: 0,
    nextId: 1,
    changed: false, // something on the page was changed since the last frame
    touched: new Map(), // elements that were changed since then -> whether what they hold was, too
    restyled: true, // or any element may have been
    restless: false, // what scripts change can't be seen any more
    onMove: null, // called inside of each frame in which something may have moved
    roots: new Set(), // shadow roots, weakly held
    media: new WeakMap(), // element -> what governMedia keeps of it
    players: new Set(), // those elements
    spans: [], // what was heard of them
    heeded: false, // whether all of the film is listened to, or nothing is to be heard later
    skipVideoDecoding: false, // whether nobody looks at films
    warnings: [], // what is to be told
    failed: new Set(), // addresses of what was to be shown, and can't be
    films: new Map(), // address -> what is known of the film there
    captions: null, // what governCaptions keeps, if there are any
    contexts: new WeakMap(), // canvas -> the kind of its context
    tracked: new WeakSet(), // what the page has been found waiting for by looking
    helios: { props: config.props, seek: null },
    pending,
    places: new WeakMap(), // animation -> {at, time}: it stood at `time` when the clock stood at `at`

    stir() {
      self.activity++;
      self.onActivity();
    },

    addRoot(root) {
      self.roots.add(new WeakRef(root));
      if (config.staged) observeChanges(self, root);
    },

    addTimer(owner, run, delay, every) {
      const wanted = Number(delay) || 0;
      const level = self.level + 1;
      const wait = Math.max(level > 5 ? 4 : 1, Math.min(wanted, 2 ** 31 - 1));
      const id = self.nextId++;
      const eager = !every && wanted <= 0 && level <= 5 && self.frame < 0;
      const place = { held: self.held, spell: self.heldSpells };
      timers.set(id, { owner, due: self.now + wait, order: id, run, every: every ? wait : 0, level, eager, ...place });
      self.stir();
      return id;
    },
    dropTimer: (id) => void timers.delete(Number(id)),

    addFrame(owner, callback) {
      const id = self.nextId++;
      frames.set(id, { owner, callback });
      self.onActivity();
      return id;
    },
    dropFrame: (id) => void frames.delete(id),

    /**
     * Keeps the page from being drawn until `promise` is settled. Of what is the page's `own`, it may be the page that
     * settles it; what is `doubtful` too may never be settled, and is waited for only as long as anything else happens.
     */
    track(promise, label, { own = false, doubtful = false } = {}) {
      const entry = { label, promise, own, doubtful };
      pending.add(entry);
      self.stir();
      const done = () => {
        pending.delete(entry);
        self.stir();
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
      for (let quiet = 0, round = 0; ; round++) {
        const before = self.activity;
        await self.turn();
        watchDocuments(self);
        quiet = self.activity === before ? quiet + 1 : 0;
        const settled = quiet >= 2 || round >= 200;
        const waiting = [...pending];
        const promises = waiting.map((entry) => entry.promise.catch(() => {}));
        if (waiting.some((entry) => !entry.own)) {
          await Promise.race(promises);
        } else if (waiting.length && !settled) {
          continue;
        } else if (waiting.some((entry) => !entry.doubtful)) {
          await steps.next(promises);
        } else if (waiting.length) {
          waiting.forEach((entry) => pending.delete(entry));
        } else {
          steps.end();
          if (self.frame < 0 && (await fireEager())) continue;
          if (settled) return;
          continue;
        }
        [quiet, round] = [0, -1];
      }
    },

    /** Everything has arrived: animations that the page has begun by now begin with frame 0. */
    async ready() {
      // Layout is what asks for fonts; without frames nothing else would cause it.
      for (const document of everyDocument()) document.documentElement?.getBoundingClientRect();
      await self.settle();
      animations.note();
      self.captions?.show();
      if (config.staged) findUnfitStyles(self);
    },

    /** All elements of the page that `selector` names, in whichever document or shadow tree. */
    found(selector) {
      const roots = [...self.roots].map((reference) => reference.deref()).filter((root) => root?.isConnected);
      return [...everyDocument(), ...roots].flatMap((root) => [...root.querySelectorAll(selector)]);
    },

    pendingLabels: () => [...pending].map((entry) => entry.label),

    /**
     * Moves the page from where it stands to `time` (ms), the time of `frame`. `step` is how far (ms) the
     * compositor's own time will move with the frame that is drawn next. Resolves to whether all that can
     * change on the page shows as a change of its layers, whether frames were drawn while it held, and to warnings.
     */
    async advance(frame, time, step) {
      animations.note();
      const before = self.now;
      await runTimers(time);
      animations.note(before, time);
      self.now = time;
      self.frame = frame;
      self.pace = time - before;
      self.heldBefore = self.heldFrames;
      animations.place();
      placeSvg(self);
      await placeMedia(self);
      if (typeof self.helios.seek === "function") {
        const view = isStage ? window.frames[0] : window;
        guard(view, () => awaitOutcome(self, view, self.helios.seek(time / 1000)));
        await self.turn();
      }
      ran = new WeakSet();
      await runFrames();
      return self.finishFrame(step);
    },

    /** What comes last before the frame is drawn, once more where something has loaded meanwhile; resolves as `advance`. */
    async finishFrame(step) {
      await self.settle();
      self.captions?.show();
      animations.note();
      if (config.manual) {
        animations.place();
        await twoFrames(); // events of animations are sent with the browser's own next frame
        await self.settle();
      } else {
        if (config.staged) animations.noteMoves();
        const running = animations.lead(Math.max(0.001, step - (self.heldFrames - self.heldBefore) / 1000)) > 0;
        if (running || self.changed || self.restless) self.placeAnimationsInNextFrame();
      }
      const held = self.heldFrames > self.heldBefore;
      if (held) self.onMove?.(); // what was painted meanwhile was not taken
      if (self.frame <= 0) self.heeded = self.mayPlayAudio();
      else if (!self.heeded) {
        for (const { url } of heard(self)) self.warn(`${url} is left out of the audio: it starts to play later; add it with --audio`);
      }
      return { reportsDamage: !self.unseen && !self.sought, drewWhileHeld: held, warnings: self.warnings.splice(0), failed: [...self.failed] };
    },

    warn: (text) => void self.warnings.push(text),
    audioClips: () => heard(self),

    /** Whether something that is on the page, or was made for it, may be heard. */
    mayPlayAudio: () => self.heeded || [...self.players].some(hasSound),

    /** Puts running animations to their exact place inside of the next frame that is drawn. */
    placeAnimationsInNextFrame: () =>
      native.requestAnimationFrame(() => {
        animations.place();
        if (config.staged && (self.changed || self.restless)) findUnfitStyles(self);
        if (self.changed || self.restless) self.onMove?.();
        self.changed = false;
      }),

    /** How the page can get to a frame: "seek", "jump" (only declared animations) or "step". */
    chooseMotion() {
      if (typeof self.helios.seek === "function") return "seek";
      return self.stateful || timers.size || frames.size || chainedInMarkup() ? "step" : "jump";
    },
  };

  const animations = placeableAnimations(self);

  const dueOf = (timer) => timer.due;
  const heldDueOf = (timer) => timer.due - self.now + (timer.spell === self.heldSpells ? timer.held : 0);

  function next(wanted, due = dueOf) {
    let best = null;
    for (const [id, timer] of timers) {
      if (!wanted(timer)) continue;
      if (!best || due(timer) < due(best[1]) || (due(timer) === due(best[1]) && timer.order < best[1].order)) {
        best = [id, timer];
      }
    }
    return best;
  }

  async function fire([id, timer]) {
    if (!timer.every) timers.delete(id);
    else timer.order = self.nextId++;
    if (timer.owner.closed) return void timers.delete(id);
    self.level = timer.level;
    guard(timer.owner, timer.run);
    self.level = 0;
    self.stir();
    await self.turn();
  }

  async function runTimers(until) {
    for (let due; (due = next((timer) => timer.due <= until)); ) {
      const [, timer] = due;
      self.now = Math.max(self.now, timer.due);
      timer.due += timer.every;
      await fire(due);
    }
  }

  let ran = new WeakSet(); // callbacks that ran for this frame already

  async function runFrames(wanted = [...frames]) {
    for (const [id, { owner, callback }] of wanted) {
      if (!frames.delete(id) || owner.closed) continue;
      ran.add(callback);
      guard(owner, () => callback.call(owner, self.now));
      await self.turn();
    }
  }

  async function fireEager() {
    const due = next((timer) => timer.eager);
    if (due) await fire(due);
    return due !== null;
  }

  const steps = stepsOf(self, {
    runFrames,
    framesWaiting: () => [...frames],
    hasRun: (callback) => ran.has(callback),
    nextTimer() {
      const due = next(() => true, heldDueOf);
      if (!due) return null;
      const [, timer] = due;
      const at = heldDueOf(timer);
      const fireHeld = () => {
        // It comes again by the page's own time, which stands.
        if (timer.every) Object.assign(timer, { held: at - (timer.due - self.now) + timer.every, spell: self.heldSpells });
        return fire(due);
      };
      return { at, fire: fireHeld };
    },
  });

  return self;
}

function guard(view, run) {
  try {
    return run();
  } catch (error) {
    view.reportError(error); // as the browser would: window.onerror, and the script goes on
  }
}

/** Has the page wait for what its `helios.seek` has returned, if it is a promise: of this realm or another. */
function awaitOutcome(self, view, outcome) {
  if (typeof outcome?.then !== "function") return;
  const report = (error) => view.reportError(error);
  try {
    const settled = native.then.call(outcome, undefined, report); // which only promises of the platform understand
    self.track(settled, "helios.seek()", { own: true });
  } catch {
    // Anything else that has a then() need not ever call back, as GSAP's timelines don't while they are paused.
    self.track(Promise.resolve(outcome).then(undefined, report), "helios.seek()", { own: true, doubtful: true });
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
