// Animation frame callbacks run once for each frame.

function createAnimationFrames(self) {
  const requests = new Map(); // id -> {owner, callback}
  let called = new WeakSet(); // callbacks that have run for this frame
  const holders = new WeakSet(); // callbacks that have called helios.hold()

  async function run(entries = [...requests]) {
    for (const [id, { owner, callback }] of entries) {
      if (!requests.delete(id) || owner.closed) continue;
      called.add(callback);
      const before = countHolds(self);
      runReportingErrors(owner, () => callback.call(owner, self.now));
      if (countHolds(self) > before) holders.add(callback);
      await self.nextTask();
    }
  }

  return {
    get size() {
      return requests.size;
    },

    add(owner, callback) {
      const id = self.nextId++;
      requests.set(id, { owner, callback });
      self.onActivity();
      return id;
    },

    remove: (id) => void requests.delete(id),

    /** All requests, as [id, {owner, callback}]. */
    waiting: () => [...requests],

    hasRun: (callback) => called.has(callback),

    hasHeld: (callback) => holders.has(callback),

    run,

    /** Runs the callbacks of a new frame. */
    async runFrame() {
      called = new WeakSet();
      await run();
    },
  };
}

function installAnimationFrames() {
  window.requestAnimationFrame = (callback) => clock.animationFrames.add(window, callback);
  window.cancelAnimationFrame = clock.animationFrames.remove;
}
