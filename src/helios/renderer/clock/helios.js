// The object `helios` of the page: props, seek, hold() and release().

function installHelios() {
  const helios = clock.helios;
  if (onStage) helios.props = config.props; // so that they are instances of the classes of the page
  const holds = [];
  helios.hold ??= (label = "helios.hold()") => {
    const entry = { label, own: true, doubtful: false };
    entry.promise = new Promise((resolve) => (entry.resolve = resolve));
    holds.push(entry);
    clock.pending.add(entry);
    clock.noteActivity();
  };
  helios.release ??= () => {
    const entry = holds.shift();
    if (!entry) return;
    clock.pending.delete(entry);
    clock.noteActivity();
    entry.resolve();
  };
  Object.defineProperty(window, "helios", {
    configurable: true,
    get: () => helios,
    set: (value) => void Object.assign(helios, value),
  });
}
