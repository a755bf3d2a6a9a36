// CSS and Web Animations: put in their exact place within every frame.

function placeableAnimations(self) {
  // Chromium rounds the timeline of animations to 0.1 ms with random jitter, so a running animation is put to
  // its exact place within every frame; BIAS lets a boundary that falls on a frame count as passed. Events are
  // sent before that, by the jittery time: LEAD takes it clear of the boundary, to the side where it belongs.
  const BIAS = 0.001;
  const LEAD = 0.4;

  // Timeline arithmetic is in doubles of seconds: multiples of 2^-30 s pass through it without being rounded.
  const grid = (ms) => (Math.round((ms / 1000) * 2 ** 30) / 2 ** 30) * 1000;

  const stood = new WeakMap();

  const expected = (animation, place, now = self.now) => place.time + (now - place.at) * animation.playbackRate;

  /**
   * Learns where animations stand: those that are new, and those that the page itself paused, resumed or
   * moved since the clock stood at `before`. What they do from here on begins at `at`.
   */
  function noteAnimations(before = self.now, at = self.now) {
    for (const animation of everyAnimation()) {
      const time = animation.currentTime;
      const place = self.places.get(animation);
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
        self.places.set(animation, { at, time: begun ? 0 : Math.round(time * 1000) / 1000 });
        if (config.manual) hold(animation, self.places.get(animation), time);
      }
    }
  }

  function* runningAnimations() {
    for (const animation of everyAnimation()) {
      const place = self.places.get(animation);
      if (!place || !follows(animation)) continue;
      if (place.held || animation.playState === "running") yield [animation, place, expected(animation, place)];
    }
  }

  /** What the page itself moves: animations that stand still, and are put elsewhere by a script. */
  function noteMoves() {
    for (const animation of everyAnimation()) {
      if (animation.playState === "running") continue;
      const { progress, currentIteration } = animation.effect?.getComputedTiming() ?? {};
      const known = stood.get(animation);
      if (progress !== known?.progress || currentIteration !== known.iteration) self.changed = true;
      stood.set(animation, { progress, iteration: currentIteration });
    }
  }

  function placeAnimations() {
    const bias = self.now > 0 ? BIAS : 0;
    for (const [animation, place, time] of runningAnimations()) {
      if (config.manual) {
        hold(animation, place, time);
        continue;
      }
      animation.currentTime = grid(time + bias * animation.playbackRate);
      const { progress, currentIteration } = animation.effect.getComputedTiming();
      if (progress !== place.progress || currentIteration !== place.iteration) self.changed = true;
      [place.progress, place.iteration] = [progress, currentIteration];
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

  function* everyAnimation() {
    for (const document of everyDocument()) yield* document.getAnimations();
    for (const reference of self.roots) {
      const root = reference.deref();
      if (!root) self.roots.delete(reference);
      else if (root.isConnected) yield* root.getAnimations();
    }
  }

  return { note: noteAnimations, place: placeAnimations, lead: leadAnimations, noteMoves };
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
      const place = clock.places.get(this);
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
    clock.addRoot(root);
    if (config.staged) placeCanvases(root);
    return root;
  };
  listen.call(window, "DOMContentLoaded", () => {
    for (const element of document.querySelectorAll("*")) {
      if (!element.shadowRoot) continue;
      clock.addRoot(element.shadowRoot); // declared in the markup
      if (config.staged) placeCanvases(element.shadowRoot);
    }
  });
}
