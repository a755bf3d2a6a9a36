// Before a frame is drawn, the page has to settle: nothing that it has started is in progress any more.

const QUIET_TASKS = 2;
const MAX_TASKS = 200; // a page that is active for longer without waiting for anything counts as settled

/** `heldSteps` takes the steps of a page that only the page itself keeps from settling (holding.js). */
function createSettling(self, heldSteps) {
  const pending = new Set(); // {label, promise, own, doubtful}
  const channel = new MessageChannel();
  const resolvers = [];
  channel.port1.onmessage = () => resolvers.shift()();

  return {
    pending,
    activity: 0, // counts what the page does
    onActivity: () => {},

    noteActivity() {
      self.activity++;
      self.onActivity();
    },

    /**
     * Keeps the page from settling until `promise` settles. `own`: the page itself may be what settles it.
     * `doubtful`: it may never settle, so it counts only as long as anything else is in progress.
     */
    track(promise, label, { own = false, doubtful = false } = {}) {
      const entry = { label, promise, own, doubtful };
      pending.add(entry);
      self.noteActivity();
      const done = () => {
        pending.delete(entry);
        self.noteActivity();
      };
      promise.then(done, done);
      return promise;
    },

    pendingLabels: () => [...pending].map((entry) => entry.label),

    /** Resolves in the next task of the event loop: tasks and microtasks that are ready run before. */
    nextTask() {
      return new Promise((resolve) => {
        resolvers.push(resolve);
        native.postMessage.call(channel.port2, 0);
      });
    },

    async settle() {
      for (let quiet = 0, tasks = 0; ; tasks++) {
        const before = self.activity;
        await self.nextTask();
        watchDocuments(self);
        quiet = self.activity === before ? quiet + 1 : 0;
        const settled = quiet >= QUIET_TASKS || tasks >= MAX_TASKS;
        const waiting = [...pending];
        const promises = waiting.map((entry) => entry.promise.catch(() => {}));
        if (waiting.some((entry) => !entry.own)) {
          await Promise.race(promises);
        } else if (waiting.length && !settled) {
          continue;
        } else if (waiting.some((entry) => !entry.doubtful)) {
          await heldSteps.next(promises);
        } else if (waiting.length) {
          waiting.forEach((entry) => pending.delete(entry));
        } else {
          heldSteps.end();
          if (self.frame < 0 && (await self.timers.fireWhileLoading())) continue;
          if (settled) return;
          continue;
        }
        [quiet, tasks] = [0, -1];
      }
    },
  };
}

/** Keeps the page from settling until the result of its `helios.seek` settles, if it is a promise of any realm. */
function trackSeek(self, view, result) {
  if (typeof result?.then !== "function") return;
  const report = (error) => view.reportError(error);
  try {
    const settled = native.then.call(result, undefined, report); // throws unless it is a promise of the platform
    self.track(settled, "helios.seek()", { own: true });
  } catch {
    // Other objects with a then() need not call back: GSAP's timelines don't while they are paused.
    self.track(Promise.resolve(result).then(undefined, report), "helios.seek()", { own: true, doubtful: true });
  }
}
