// Timers fire in the order of their times, as the page's clock passes them.

const MAX_DELAY = 2 ** 31 - 1; // ms, as in browsers
const NESTING_LIMIT = 5; // https://html.spec.whatwg.org/multipage/timers-and-user-prompts.html#timer-initialisation-steps
const NESTED_DELAY = 4; // ms

function createTimers(self) {
  const timers = new Map(); // id -> timer
  let level = 0; // of nesting, in the timer that runs

  const dueTime = (timer) => timer.due;
  /**
   * When a timer is due on the time line of the hold (holding.js). One that was set or fired during this hold counts
   * from then.
   */
  const heldDueTime = (timer) => timer.due - self.now + (timer.hold === self.holdCount ? timer.heldTime : 0);

  function findNext(matches, timeOf = dueTime) {
    let next = null;
    for (const [id, timer] of timers) {
      if (!matches(timer)) continue;
      const earlier = next === null ? -1 : timeOf(timer) - timeOf(next[1]) || timer.order - next[1].order;
      if (earlier < 0) next = [id, timer];
    }
    return next;
  }

  async function fire([id, timer]) {
    if (!timer.interval) timers.delete(id);
    else timer.order = self.nextId++;
    if (timer.owner.closed) return void timers.delete(id);
    level = timer.level;
    runReportingErrors(timer.owner, timer.run);
    level = 0;
    self.noteActivity();
    await self.nextTask();
  }

  /** Has an interval that has fired at `time` of the hold's time line fire again one interval later on it. */
  function repeatHeld(timer, time) {
    timer.heldTime = time + timer.interval - (timer.due - self.now);
    timer.hold = self.holdCount;
  }

  return {
    get size() {
      return timers.size;
    },

    add(owner, run, delay, repeats) {
      const requested = Number(delay) || 0;
      const nested = level + 1;
      const wait = Math.max(nested > NESTING_LIMIT ? NESTED_DELAY : 1, Math.min(requested, MAX_DELAY));
      const id = self.nextId++;
      timers.set(id, {
        owner,
        run,
        due: self.now + wait,
        order: id,
        interval: repeats ? wait : 0,
        level: nested,
        firesWhileLoading: !repeats && requested <= 0 && nested <= NESTING_LIMIT && self.frame < 0,
        heldTime: self.heldTime,
        hold: self.holdCount,
      });
      self.noteActivity();
      return id;
    },

    remove: (id) => void timers.delete(Number(id)),

    /** Fires all timers that are due until `time` (ms). */
    async runUntil(time) {
      for (let next; (next = findNext((timer) => timer.due <= time)); ) {
        const [, timer] = next;
        self.now = Math.max(self.now, timer.due);
        timer.due += timer.interval;
        await fire(next);
      }
    },

    /** Fires a timer without a delay that the page set while it was loading. Resolves to whether there was one. */
    async fireWhileLoading() {
      const next = findNext((timer) => timer.firesWhileLoading);
      if (next) await fire(next);
      return next !== null;
    },

    /** The timer that a hold fires next, and its time (ms) on the time line of the hold; null if there is none. */
    nextHeld() {
      const next = findNext(() => true, heldDueTime);
      if (!next) return null;
      const [, timer] = next;
      const time = heldDueTime(timer);
      const fireHeld = () => {
        if (timer.interval) repeatHeld(timer, time);
        return fire(next);
      };
      return { time, fire: fireHeld };
    },
  };
}

function installTimers() {
  const bindHandler = (handler, args) =>
    typeof handler === "function" ? () => handler.apply(window, args) : () => window.eval(String(handler));
  window.setTimeout = (handler, delay, ...args) => clock.timers.add(window, bindHandler(handler, args), delay, false);
  window.setInterval = (handler, delay, ...args) => clock.timers.add(window, bindHandler(handler, args), delay, true);
  window.clearTimeout = window.clearInterval = clock.timers.remove;
  const deadline = { didTimeout: false, timeRemaining: () => 50 };
  window.requestIdleCallback = (callback) => clock.timers.add(window, () => callback(deadline), 1, false);
  window.cancelIdleCallback = clock.timers.remove;
}
