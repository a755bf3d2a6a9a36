// Content that the stage can't show: frames of other origins, and scaled canvases.

/** Returns a description of the first thing on the page that Chromium doesn't draw on the stage, or null. */
function findUnsupportedContent() {
  const findForeignFrame = (view) => {
    for (let i = 0; i < view.frames.length; i++) {
      let document;
      try {
        document = view.frames[i].document;
      } catch {
        document = null;
      }
      if (!document) return "a frame of another origin";
      const reason = findForeignFrame(view.frames[i]);
      if (reason) return reason;
    }
    return null;
  };
  if (!frame.contentDocument) return "a page that can't be put into a frame";
  for (const element of clock.queryAll("iframe, frame, object, embed")) {
    if (element.contentDocument === null && element.getClientRects().length) return "a frame of another origin";
  }
  return findForeignFrame(frame.contentWindow) ?? clock.queryAll("canvas").map(findScaling).find(Boolean) ?? null;
}

/** Returns why a canvas would look different: Chromium draws it in its own size, from the corner of its box. */
function findScaling(canvas) {
  if (!canvas.getClientRects().length) return null;
  const style = canvas.ownerDocument.defaultView.getComputedStyle(canvas);
  const sides = ["Top", "Right", "Bottom", "Left"];
  const hasEdges = sides.some((side) => parseFloat(style[`border${side}Width`]) || parseFloat(style[`padding${side}`]));
  const fits = parseFloat(style.width) === canvas.width && parseFloat(style.height) === canvas.height;
  const cropped = style.objectViewBox && style.objectViewBox !== "none";
  return hasEdges || !fits || cropped ? "a canvas that is scaled, or has a border or padding" : null;
}
