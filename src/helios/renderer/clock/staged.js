// A page on the stage does not notice the stage. Its canvases are prepared for it, and styles that it can't show are
// found.

/** Hides the stage's window from the page. */
function hideStage() {
  // Chromium crashes when it draws a view transition into a canvas. Helios renders such a page again, without the
  // stage.
  replace(Document.prototype, "startViewTransition", (update) => {
    clock.unsupported ??= "a view transition";
    const done = Promise.resolve((update?.update ?? update)?.());
    return { updateCallbackDone: done, ready: done, finished: done, skipTransition: () => {} };
  });
  redefine(window, "parent", () => ({ get: () => window }));
  redefine(window, "frameElement", () => ({ get: () => null }));
  Document.prototype.hasFocus = () => true;
}

let canvasSheet;

/**
 * Keeps canvases under `root` (a document or a shadow root) in their place. On the stage, Chromium draws a canvas at
 * the corner of its container, unless the canvas is painted separately.
 */
function placeCanvases(root) {
  if (!canvasSheet) {
    canvasSheet = new CSSStyleSheet();
    canvasSheet.replaceSync("canvas{contain:paint!important}");
  }
  root.adoptedStyleSheets = [canvasSheet];
}

/** Adds the style sheet for canvases to those that the page adopts. */
function keepCanvasesInPlace() {
  for (const prototype of [Document.prototype, ShadowRoot.prototype]) {
    redefine(prototype, "adoptedStyleSheets", (original) => ({
      get() {
        clock.hasHiddenChanges = true; // no observer reports a change of these sheets
        return original.get.call(this);
      },
      set(sheets) {
        clock.changed = clock.stylesChanged = true;
        original.set.call(this, [...[...sheets].filter((sheet) => sheet !== canvasSheet), canvasSheet]);
      },
    }));
  }
}

/** Looks for styles that Chromium draws differently on the stage. */
function findUnsupportedStyles(self) {
  const check = (element) => {
    const style = element.ownerDocument.defaultView?.getComputedStyle(element);
    if (style?.transformStyle === "preserve-3d") self.unsupported ??= "an element with transform-style: preserve-3d";
    if (style?.backfaceVisibility === "hidden") self.unsupported ??= "an element with backface-visibility: hidden";
    if (style?.mixBlendMode !== "normal" && element === element.ownerDocument.documentElement) {
      self.unsupported ??= "an <html> element with mix-blend-mode";
    }
  };
  const checkAll = (root) => {
    if (root instanceof Element) check(root);
    for (const element of root.querySelectorAll("*")) check(element);
  };
  if (self.stylesChanged || self.hasHiddenChanges) {
    for (const document of everyDocument()) checkAll(document);
    for (const reference of self.roots) if (reference.deref()?.isConnected) checkAll(reference.deref());
  } else {
    for (const [element, withDescendants] of self.changedElements) (withDescendants ? checkAll : check)(element);
  }
  self.changedElements.clear();
  self.stylesChanged = false;
}
