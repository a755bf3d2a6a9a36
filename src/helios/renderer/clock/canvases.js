// Canvases that the compositor does not draw can't be captured as layers.

function watchCanvases() {
  const transfer = HTMLCanvasElement.prototype.transferControlToOffscreen;
  HTMLCanvasElement.prototype.transferControlToOffscreen = function () {
    clock.drawsOutsideLayers = true;
    clock.unsupported ??= "a canvas that is drawn by an OffscreenCanvas";
    return transfer.call(this);
  };
  for (const prototype of [HTMLCanvasElement.prototype, OffscreenCanvas.prototype]) {
    const getContext = prototype.getContext;
    prototype.getContext = function (kind, ...rest) {
      // A desynchronized canvas bypasses the compositor, and so the capture.
      if (rest[0]?.desynchronized) rest[0] = { ...rest[0], desynchronized: false };
      const context = getContext.call(this, kind, ...rest);
      if (context) clock.canvasContexts.set(this, kind);
      return context;
    };
  }
}
