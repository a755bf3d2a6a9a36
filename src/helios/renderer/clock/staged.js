// What a page on the stage must not notice, and what it is made fit for, or found unfit by.

/** A page on the stage sees no window above its own. */
function hideStage() {
  // Chromium crashes where one is drawn into a canvas. The film is drawn again, so nothing is lost.
  replace(Document.prototype, "startViewTransition", (update) => {
    clock.unfit ??= "a view transition";
    const done = Promise.resolve((update?.update ?? update)?.());
    return { updateCallbackDone: done, ready: done, finished: done, skipTransition: () => {} };
  });
  redefine(window, "parent", () => ({ get: () => window }));
  redefine(window, "frameElement", () => ({ get: () => null }));
  Document.prototype.hasFocus = () => true;
}

var canvasSheet; // hoisted: the clock is begun before this line is reached

/**
 * Has canvases under `root` (a document or a shadow root) drawn where they stand: in a canvas, Chromium draws them at
 * the corner of what they are in, unless they are painted apart.
 */
function placeCanvases(root) {
  if (!canvasSheet) {
    canvasSheet = new CSSStyleSheet();
    canvasSheet.replaceSync("canvas{contain:paint!important}");
  }
  root.adoptedStyleSheets = [canvasSheet];
}

function keepCanvasesPlaced() {
  for (const prototype of [Document.prototype, ShadowRoot.prototype]) {
    redefine(prototype, "adoptedStyleSheets", (original) => ({
      get() {
        clock.restless = true; // what is written into the sheets can't be seen
        return original.get.call(this);
      },
      set(sheets) {
        clock.changed = clock.restyled = true;
        original.set.call(this, [...[...sheets].filter((sheet) => sheet !== canvasSheet), canvasSheet]);
      },
    }));
  }
}

/** Looks for styles that Chromium does not draw into a canvas as it draws them elsewhere. */
function findUnfitStyles(self) {
  const look = (element) => {
    const style = element.ownerDocument.defaultView?.getComputedStyle(element);
    if (style?.transformStyle === "preserve-3d") self.unfit ??= "an element with transform-style: preserve-3d";
    if (style?.backfaceVisibility === "hidden") self.unfit ??= "an element with backface-visibility: hidden";
    if (style?.mixBlendMode !== "normal" && element === element.ownerDocument.documentElement) {
      self.unfit ??= "a page that is blended as a whole";
    }
  };
  const lookThrough = (root) => {
    if (root instanceof Element) look(root);
    for (const element of root.querySelectorAll("*")) look(element);
  };
  if (self.restyled || self.restless) {
    for (const document of everyDocument()) lookThrough(document);
    for (const reference of self.roots) if (reference.deref()?.isConnected) lookThrough(reference.deref());
  } else {
    for (const [element, whole] of self.touched) (whole ? lookThrough : look)(element);
  }
  self.touched.clear();
  self.restyled = false;
}
