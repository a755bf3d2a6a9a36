// The page itself may keep its frame from being drawn: by helios.hold() or a promise of helios.seek. It may then wait
// for a timer, an animation frame or an observer of its own. So these go on during a hold, while the page's time is
// paused.
//
// A hold has a time line of its own, which sets their order: timers fire when they are due, and animation frames run 60
// times a second. The first animation frame comes after half a second, so that a time-out meets as few as possible.

const FIRST_HELD_FRAME = 500; // ms
const HELD_FRAME_INTERVAL = 1000 / 60; // ms
const IDLE_TIME = 100; // ms of real time until an idle page is drawn again, for its observers
const PATIENT_IDLE_TIMES = 50; // of them, until a loop that holds the page runs again in a page with workers
const STEP_PAUSE = 4; // ms of real time between later steps
const STEPS_WITHOUT_PAUSE = 5000; // a hold that takes more steps is not about to end

/** Requests the renderer to wait until nothing loads ("loaded"), or to draw a frame after that ("frame"). */
function requestFromRenderer(self, request) {
  return new Promise((resolve) => {
    self.resolveRequest = resolve;
    native.requestFromRenderer(request);
  });
}

/** Resolves when a browser that starts frames by itself has drawn. */
function twoFrames() {
  return new Promise((resolve) => native.requestAnimationFrame(() => native.requestAnimationFrame(resolve)));
}

/** How many holds and promises of the page itself are pending. */
function countHolds(self) {
  return [...self.pending].filter((entry) => entry.own).length;
}

function createHeldSteps(self) {
  let steps = 0;
  let nextFrame = 0; // ms on the time line of the hold
  let activityAtDraw = -1; // self.activity when a frame was drawn last
  let idleTimes = 0;
  const holders = new WeakSet(); // animation frame callbacks that hold the page themselves: they run once a frame

  /** Callbacks that have not run in this frame come first. */
  function dueFrames() {
    const waiting = self.animationFrames.waiting().filter(([, { callback }]) => !holders.has(callback));
    const first = waiting.filter(([, { callback }]) => !self.animationFrames.hasRun(callback));
    if (first.length) return first;
    if (!self.hasWorkers) return waiting;
    // A worker may answer late. Nothing runs a second time meanwhile, and last of all a loop that holds in each run.
    return waiting.filter(([, { callback }]) => idleTimes >= (self.animationFrames.hasHeld(callback) ? PATIENT_IDLE_TIMES : 1));
  }

  async function draw(frames) {
    self.heldFrames++;
    nextFrame = Math.max(nextFrame, self.heldTime) + HELD_FRAME_INTERVAL;
    for (const frame of frames) {
      const before = countHolds(self);
      await self.animationFrames.run([frame]);
      if (countHolds(self) > before) holders.add(frame[1].callback);
    }
    activityAtDraw = self.activity;
    self.drawingHeldFrame = true;
    await (config.manual ? twoFrames() : requestFromRenderer(self, "frame"));
    self.drawingHeldFrame = false;
  }

  return {
    /** Takes one step of a page that holds: a timer, a frame, or a wait for one of the `pending` promises. */
    async next(pending) {
      if (steps++ === 0) {
        [nextFrame, activityAtDraw, idleTimes] = [FIRST_HELD_FRAME, -1, 0];
        return requestFromRenderer(self, "loaded");
      }
      if (steps > STEPS_WITHOUT_PAUSE) await new Promise((resolve) => native.setTimeout(resolve, STEP_PAUSE));
      const timer = self.timers.nextHeld();
      const frames = dueFrames();
      const frameIsDue = frames.length > 0 || activityAtDraw !== self.activity;
      if (timer && (!frameIsDue || timer.time <= nextFrame)) {
        self.heldTime = Math.max(self.heldTime, timer.time);
        return timer.fire();
      }
      if (frameIsDue) {
        self.heldTime = Math.max(self.heldTime, nextFrame);
        return draw(frames);
      }
      const active = new Promise((resolve) => (self.onActivity = resolve));
      const timeout = new Promise((resolve) => native.setTimeout(resolve, IDLE_TIME));
      return Promise.race([active, timeout.then(() => ([activityAtDraw, idleTimes] = [-1, idleTimes + 1])), ...pending]);
    },

    /** Ends the hold. Its timers that have not fired are due when they were before it. */
    end() {
      if (!steps) return;
      steps = self.heldTime = 0;
      self.holdCount++;
    },
  };
}
