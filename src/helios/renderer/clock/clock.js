// The state of a page's clock, and its way from one frame to the next. A page and its same-origin frames share one
// clock.

function createClock() {
  const self = {
    now: 0, // ms
    frame: -1,
    lastStep: 0, // ms
    nextId: 1,
    helios: { props: config.props, seek: null },
    roots: new Set(), // weak references to shadow roots
    animationPositions: new WeakMap(), // animation -> {at, time}: its currentTime was `time` when the clock was at `at`
    captions: null, // set by installCaptions
    hasWorkers: false,
    needsStepping: false, // the page may depend on events of every frame

    changed: false, // since the last frame
    changedElements: new Map(), // element -> whether its descendants may have changed as well
    stylesChanged: true, // any element may have changed
    hasHiddenChanges: false, // scripts can change elements in ways that no observer reports
    drawsOutsideLayers: false, // an OffscreenCanvas draws without a change of the page's layers
    seeksVideo: false, // the browser shows a video by seeking, which changes no layer
    onChange: null, // called in every frame in which something may have changed
    unsupported: null, // something on the page that the stage can't show
    canvasContexts: new WeakMap(), // canvas -> kind of its context

    players: new WeakMap(), // media element -> its player (player.js)
    mediaElements: new Set(),
    videos: new Map(), // address -> what the server knows about the video (video.js)
    failedMedia: new Set(), // addresses that the browser can't play
    skipVideoDecoding: false,
    audioSpans: [],
    recordsAudio: false, // decided at frame 0: later, an audio clip is only warned about
    warnings: [],

    heldTime: 0, // ms on the time line of a page that holds its frame (holding.js)
    holdCount: 0,
    heldFrames: 0, // frames drawn during holds; each takes a microsecond of the compositor's time
    drawingHeldFrame: false,
    resolveRequest: () => {}, // called by page.py

    warn: (text) => void self.warnings.push(text),

    addRoot(root) {
      self.roots.add(new WeakRef(root));
      if (config.staged) observeChanges(self, root);
    },

    /** All elements that match `selector`, in every same-origin document and shadow tree of the page. */
    queryAll(selector) {
      const roots = [...self.roots].map((reference) => reference.deref()).filter((root) => root?.isConnected);
      return [...everyDocument(), ...roots].flatMap((root) => [...root.querySelectorAll(selector)]);
    },

    /** Resolves when the page has loaded. Animations that have started by then start at frame 0. */
    async ready() {
      // The browser requests fonts during layout, and without frames nothing else causes a layout.
      for (const document of everyDocument()) document.documentElement?.getBoundingClientRect();
      await self.settle();
      animations.track();
      self.captions?.update();
      if (config.staged) findUnsupportedStyles(self);
    },

    /**
     * Moves the page to `frame` at `time` (ms). `step` is how far (ms) the compositor's own time moves to the next
     * drawn frame. Resolves to {reportsDamage: whether every change shows as a change of the page's layers,
     * drewWhileHeld: whether frames were drawn while the page held this one, warnings, failed: addresses of media
     * that can't be played}.
     */
    async advance(frame, time, step) {
      animations.track();
      const before = self.now;
      await self.timers.runUntil(time);
      animations.track(before, time);
      self.now = time;
      self.frame = frame;
      self.lastStep = time - before;
      self.heldFramesBefore = self.heldFrames;
      animations.place();
      placeSvg(self);
      await placeMedia(self);
      if (typeof self.helios.seek === "function") {
        const view = isStage ? window.frames[0] : window;
        runReportingErrors(view, () => trackSeek(self, view, self.helios.seek(time / 1000)));
        await self.nextTask();
      }
      await self.animationFrames.runFrame();
      return self.finishFrame(step);
    },

    /** The last part of `advance`; page.py repeats it when something has loaded meanwhile. */
    async finishFrame(step) {
      await self.settle();
      self.captions?.update();
      animations.track();
      if (config.manual) {
        animations.place();
        await twoFrames(); // the browser sends the events of animations with its own next frame
        await self.settle();
      } else {
        if (config.staged) animations.findScriptedChanges();
        const running = animations.lead(Math.max(0.001, step - (self.heldFrames - self.heldFramesBefore) / 1000)) > 0;
        if (running || self.changed || self.hasHiddenChanges) self.placeAnimationsInNextFrame();
      }
      const drewWhileHeld = self.heldFrames > self.heldFramesBefore;
      if (drewWhileHeld) self.onChange?.(); // the stage took none of those frames
      if (self.frame <= 0) self.recordsAudio = self.mayPlayAudio();
      else if (!self.recordsAudio) warnOfLateAudio(self);
      return {
        reportsDamage: !self.drawsOutsideLayers && !self.seeksVideo,
        drewWhileHeld,
        warnings: self.warnings.splice(0),
        failed: [...self.failedMedia],
      };
    },

    /** Puts running animations exactly into place within the next drawn frame. */
    placeAnimationsInNextFrame: () =>
      native.requestAnimationFrame(() => {
        animations.place();
        const mayHaveChanged = self.changed || self.hasHiddenChanges;
        if (config.staged && mayHaveChanged) findUnsupportedStyles(self);
        if (mayHaveChanged) self.onChange?.();
        self.changed = false;
      }),

    audioClips: () => audioClips(self),
    mayPlayAudio: () => self.recordsAudio || [...self.mediaElements].some(mayHaveAudio),

    /**
     * How the page gets to a frame: "seek", "jump" (it has only declared animations) or "step" through all frames
     * before.
     */
    chooseMotion() {
      if (typeof self.helios.seek === "function") return "seek";
      const stepped = self.needsStepping || self.timers.size || self.animationFrames.size || hasAnimationEvents();
      return stepped ? "step" : "jump";
    },
  };

  const animations = createAnimations(self);
  self.timers = createTimers(self);
  self.animationFrames = createAnimationFrames(self);
  return Object.assign(self, createSettling(self, createHeldSteps(self)));
}
