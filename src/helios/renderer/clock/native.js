// The browser's own functions, stored before Helios replaces them for the page.

const native = {
  requestAnimationFrame: window.requestAnimationFrame.bind(window),
  fetch: window.fetch.bind(window),
  setTimeout: window.setTimeout.bind(window),
  postMessage: MessagePort.prototype.postMessage,
  then: Promise.prototype.then,
  setAttribute: Element.prototype.setAttribute,
  decodeImage: HTMLImageElement.prototype.decode,
  imageSource: Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src"),
  loadMedia: HTMLMediaElement.prototype.load,
  pauseMedia: HTMLMediaElement.prototype.pause,
  mediaSource: Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "src"),
  mediaTime: Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "currentTime"),
  paused: Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "paused"),
  autoplay: Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "autoplay"),
  requestFromRenderer: window.heliosRequest, // a binding of page.py
};
delete window.heliosRequest;

function replace(target, name, value) {
  Object.defineProperty(target, name, { value, configurable: true, enumerable: true, writable: true });
}

/** Replaces parts of a property's descriptor by those that `wrap` returns for the original one. */
function redefine(prototype, name, wrap) {
  const original = Object.getOwnPropertyDescriptor(prototype, name);
  Object.defineProperty(prototype, name, { ...original, ...wrap(original) });
}

/** Calls a function of the page. The page receives an exception as the browser would report it: by window.onerror. */
function runReportingErrors(view, run) {
  try {
    return run();
  } catch (error) {
    view.reportError(error);
  }
}

/** Resolves with the next event of one of these types. */
function nextEvent(target, ...types) {
  return new Promise((resolve) => {
    for (const type of types) target.addEventListener(type, resolve, { once: true });
  });
}
