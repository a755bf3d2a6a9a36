// CSS animations, CSS transitions and Web Animations: placed exactly within every frame.

function createAnimations(self) {
  // Chromium rounds the timeline of animations to 0.1 ms with random jitter. So a running animation is set to its
  // exact time within every frame; BIAS makes a boundary that falls on a frame count as passed. Chromium sends events
  // before that, by the jittery time; LEAD moves that time clear of the boundary, to the side where it belongs.
  const BIAS = 0.001; // ms
  const LEAD = 0.4; // ms

  // Timelines compute in doubles of seconds: multiples of 2^-30 s are never rounded.
  const toGrid = (ms) => (Math.round((ms / 1000) * 2 ** 30) / 2 ** 30) * 1000;

  const positions = self.animationPositions;
  const pausedProgress = new WeakMap(); // animation that does not run -> {progress, iteration}

  const expectedTime = (animation, position, now = self.now) =>
    position.time + (now - position.at) * animation.playbackRate;

  /**
   * Stores the positions of new animations, and of those that the page has paused, resumed or moved since the clock
   * was at `before`. From here on, they count from `at`.
   */
  function trackAnimations(before = self.now, at = self.now) {
    for (const animation of everyAnimation()) {
      const time = animation.currentTime;
      const position = positions.get(animation);
      if (typeof time !== "number" || !followsClock(animation) || position?.pausedByHelios) continue;
      if (animation.playState === "paused") {
        // A pause takes effect in the next frame, at a jittery time. Setting the time completes the pause immediately.
        if (animation.pending && position) animation.currentTime = toGrid(expectedTime(animation, position, at));
        if (position) position.paused = true;
      } else if (animation.playState === "running") {
        if (position && !position.paused && Math.abs(time - expectedTime(animation, position, before)) <= 1) continue;
        // An animation that started in a frame drawn meanwhile started at the clock's time, apart from the jitter
        // (or, in a browser that starts frames by itself, apart from the time until now).
        const started = !position && !animation.pending && (config.manual || Math.abs(time) < 2);
        positions.set(animation, { at, time: started ? 0 : Math.round(time * 1000) / 1000 });
        if (config.manual) pauseAndPlace(animation, positions.get(animation), time);
      }
    }
  }

  function* runningAnimations() {
    for (const animation of everyAnimation()) {
      const position = positions.get(animation);
      if (!position || !followsClock(animation)) continue;
      if (position.pausedByHelios || animation.playState === "running") {
        yield [animation, position, expectedTime(animation, position)];
      }
    }
  }

  /** Finds animations that do not run, and that a script has moved. */
  function findScriptedChanges() {
    for (const animation of everyAnimation()) {
      if (animation.playState === "running") continue;
      const { progress, currentIteration } = animation.effect?.getComputedTiming() ?? {};
      const known = pausedProgress.get(animation);
      if (progress !== known?.progress || currentIteration !== known.iteration) self.changed = true;
      pausedProgress.set(animation, { progress, iteration: currentIteration });
    }
  }

  function placeAnimations() {
    const bias = self.now > 0 ? BIAS : 0;
    for (const [animation, position, time] of runningAnimations()) {
      if (config.manual) {
        pauseAndPlace(animation, position, time);
        continue;
      }
      animation.currentTime = toGrid(time + bias * animation.playbackRate);
      const { progress, currentIteration } = animation.effect.getComputedTiming();
      if (progress !== position.progress || currentIteration !== position.iteration) self.changed = true;
      [position.progress, position.iteration] = [progress, currentIteration];
    }
  }

  /** Sets animations so that they are near their places in the next frame, `step` (ms) later. Returns how many run. */
  function leadAnimations(step) {
    let running = 0;
    for (const [animation, , time] of runningAnimations()) {
      running++;
      if (animation.pending) continue;
      const lead = timeToBoundary(animation, time) < 2 * LEAD + BIAS ? -LEAD : LEAD;
      animation.currentTime = toGrid(time + (lead - step) * animation.playbackRate);
    }
    return running;
  }

  /** The time (ms) until the animation starts, repeats or ends. */
  function timeToBoundary(animation, time) {
    const { delay, duration, endTime } = animation.effect.getComputedTiming();
    const rate = animation.playbackRate;
    const [start, end] = rate < 0 ? [-endTime, -delay] : [delay, endTime];
    const at = rate < 0 ? -time : time;
    const passed = at + BIAS; // a boundary that falls on this frame has been passed
    if (passed < start) return (start - at) / Math.abs(rate);
    const inside = duration > 0 ? duration - ((passed - start) % duration) : Infinity;
    return Math.min(inside, passed < end ? end - at : Infinity) / Math.abs(rate);
  }

  /** Whether time moves the animation, and not a scroll position. */
  function followsClock(animation) {
    return animation.effect && String(animation.timeline) === "[object DocumentTimeline]";
  }

  function pauseAndPlace(animation, position, time) {
    if (!position.pausedByHelios) {
      animation.pause();
      position.pausedByHelios = true;
    }
    const end = animation.effect?.getComputedTiming().endTime ?? Infinity;
    if (animation.playbackRate > 0 ? time >= end : time <= 0) {
      position.pausedByHelios = false;
      animation.finish();
    } else {
      animation.currentTime = toGrid(time + BIAS * Math.sign(time));
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

  return { track: trackAnimations, place: placeAnimations, lead: leadAnimations, findScriptedChanges };
}

/** The page sees animations at the clock's time. If it listens to their events, Helios steps through every frame. */
function installAnimations() {
  const animationEvents = /^(animation|transition)(start|end|iteration|run|cancel)$|^(begin|end|repeat)Event$|^finish$/;
  const addEventListener = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (type, ...rest) {
    if (animationEvents.test(type)) clock.needsStepping = true;
    return addEventListener.call(this, type, ...rest);
  };
  const noteListener = (original) => ({
    set(value) {
      clock.needsStepping = true;
      original.set.call(this, value);
    },
  });
  for (const prototype of [HTMLElement.prototype, SVGElement.prototype, Document.prototype, window]) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      if (/^on(animation|transition)/.test(name)) redefine(prototype, name, noteListener);
    }
  }
  redefine(Animation.prototype, "onfinish", noteListener);
  redefine(Animation.prototype, "finished", (original) => ({
    get() {
      clock.needsStepping = true;
      return original.get.call(this);
    },
  }));
  redefine(Animation.prototype, "startTime", (original) => ({
    get() {
      const position = clock.animationPositions.get(this);
      if (original.get.call(this) === null) return null;
      return position ? position.at - position.time / this.playbackRate : clock.now;
    },
    set(value) {
      if (value === null || !(this.timeline instanceof DocumentTimeline)) return original.set.call(this, value);
      this.currentTime = (clock.now - value) * this.playbackRate;
      if (this.playState !== "running") this.play();
    },
  }));
}
