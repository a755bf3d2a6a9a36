// Messages that the page sends keep it from settling. With a worker or a socket, it can receive them at any time.

function watchMessages() {
  MessagePort.prototype.postMessage = function (...args) {
    clock.noteActivity();
    return native.postMessage.apply(this, args);
  };
  const post = window.postMessage;
  window.postMessage = function (...args) {
    clock.noteActivity();
    return post.apply(window, args);
  };
  for (const name of ["Worker", "SharedWorker", "WebSocket", "EventSource"]) {
    if (!window[name]) continue;
    window[name] = new Proxy(window[name], {
      construct(target, args, newTarget) {
        clock.needsStepping = clock.hasWorkers = true;
        return Reflect.construct(target, args, newTarget);
      },
    });
  }
}
