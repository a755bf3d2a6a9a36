// While nothing but the page itself keeps its frame from being drawn (helios.hold(), a promise of helios.seek), what it
// waits for may be a timer, an animation frame or an observer of its own. So these go on, while its time stands still.
//
// Their order is that of a time of their own, which only they see: timers come when they are due, and animation frames
// 60 times a second, but the first only after half a second, so that a time-out finds as few as can be.

const HEAD_START = 500; // ms
const HELD_FRAME = 1000 / 60;
const REST = 100; // ms of real time until a page in which nothing is under way is drawn again, for its observers
const HURRY = 5000; // steps that are taken without a pause: nothing that takes more is about to end

/** Asks the renderer to answer as soon as nothing loads, or for a frame as well. */
function askRenderer(self, request) {
  return new Promise((answered) => {
    self.resolveRequest = answered;
    native.request(request);
  });
}

/** Resolves when the browser has drawn by itself, where frames are not ours to begin. */
function twoFrames() {
  return new Promise((drawn) => native.requestAnimationFrame(() => native.requestAnimationFrame(drawn)));
}

/** Takes what a held page does next, one step at a time. `queue` has its timers and animation frames. */
function stepsOf(self, queue) {
  let steps = 0;
  let nextFrame = 0;
  let drawnAt = -1; // how much had happened on the page when a frame was last drawn
  let rested = false;
  const holders = new WeakSet(); // callbacks that hold the page themselves, once a frame

  const holds = () => [...self.pending].filter((entry) => entry.own).length;

  /** A loop of animation frames, which has had its turn in this frame, comes after what is called for the first time. */
  function framesDue() {
    const waiting = queue.framesWaiting().filter(([, { callback }]) => !holders.has(callback));
    const first = waiting.filter(([, { callback }]) => !queue.hasRun(callback));
    if (first.length) return first;
    return self.hasWorkers && !rested ? [] : waiting;
  }

  async function draw(frames) {
    self.heldFrames++;
    nextFrame = Math.max(nextFrame, self.held) + HELD_FRAME;
    for (const frame of frames) {
      const before = holds();
      await queue.runFrames([frame]);
      if (holds() > before) holders.add(frame[1].callback);
    }
    drawnAt = self.activity;
    self.drawingHeld = true;
    await (config.manual ? twoFrames() : askRenderer(self, "frame"));
    self.drawingHeld = false;
  }

  return {
    /** Resolves when something may have happened. */
    async next(pending) {
      if (steps++ === 0) {
        [nextFrame, drawnAt, rested] = [HEAD_START, -1, false];
        return askRenderer(self, "quiet");
      }
      if (steps > HURRY) await new Promise((resolve) => native.setTimeout(resolve, 4));
      const timer = queue.nextTimer();
      const frames = framesDue();
      const frameIsDue = frames.length > 0 || drawnAt !== self.activity;
      if (timer && (!frameIsDue || timer.at <= nextFrame)) {
        self.held = Math.max(self.held, timer.at);
        return timer.fire();
      }
      if (frameIsDue) {
        self.held = Math.max(self.held, nextFrame);
        return draw(frames);
      }
      const woken = new Promise((resolve) => (self.onActivity = resolve));
      const rest = new Promise((resolve) => native.setTimeout(resolve, REST));
      return Promise.race([woken, rest.then(() => ([drawnAt, rested] = [-1, true])), ...pending]);
    },

    /** The page has let go: its timers are due again when they were. */
    end() {
      if (!steps) return;
      steps = self.held = 0;
      self.heldSpells++;
    },
  };
}
