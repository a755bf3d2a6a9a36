// Fast capture reads a page that consists of one canvas directly from that canvas.

/**
 * Returns the canvas of a page that shows nothing else: 2D, as large as the page, and with nothing over or around it.
 * Returns null for any other page.
 */
function findPlainCanvas(page) {
  const elements = page.body?.getElementsByTagName("*") ?? [];
  const [canvas, another] = page.getElementsByTagName("canvas");
  const children = [...page.documentElement.children].filter((element) => element !== clock.captions?.host);
  if (!canvas || another || elements.length > 64 || children.length > 2 || clock.captions?.shown) return null;
  const { head } = page;
  if (head && page.defaultView.getComputedStyle(head).display !== "none") return null;
  if (clock.canvasContexts.get(canvas) !== "2d" || canvas.width !== width || canvas.height !== height) return null;
  const settings = canvas.getContext("2d").getContextAttributes();
  if (settings.colorSpace !== "srgb" || (settings.colorType ?? "unorm8") !== "unorm8") return null;
  const box = canvas.getBoundingClientRect();
  if (box.x || box.y || box.width !== width || box.height !== height) return null;
  const ancestors = new Set(); // and the canvas itself
  for (let element = canvas; element; element = element.parentElement) ancestors.add(element);
  for (const element of elements) {
    if (ancestors.has(element)) continue;
    const { display } = element.ownerDocument.defaultView.getComputedStyle(element);
    if (display !== "none" || element.shadowRoot) return null;
  }
  for (const element of ancestors) {
    if (!isPlain(element, element === canvas) || (element !== canvas && clipsContent(element))) return null;
  }
  return page.body.innerText.trim() ? null : canvas;
}

/** Whether an element may clip its content. The edges of the page itself don't count. */
function clipsContent(element) {
  const { documentElement: root, body, defaultView } = element.ownerDocument;
  if (element === root) return false;
  const { overflowX, overflowY, contain } = defaultView.getComputedStyle(element);
  if (contain !== "none") return true;
  if (overflowX === "visible" && overflowY === "visible") return false;
  const outer = defaultView.getComputedStyle(root); // if it is visible, the overflow of <body> applies to the viewport
  return element !== body || outer.overflowX !== "visible" || outer.overflowY !== "visible";
}

const PLAIN_STYLE = {
  outlineStyle: "none", contentVisibility: "visible", webkitMaskBoxImageSource: "none", objectViewBox: "none",
  opacity: "1", filter: "none", backdropFilter: "none", mixBlendMode: "normal", clipPath: "none", maskImage: "none",
  transform: "none", translate: "none", rotate: "none", scale: "none", perspective: "none", visibility: "visible",
  borderRadius: "0px", clip: "auto", columnCount: "auto", zoom: "1",
};
const NO_EDGES = { borderTopWidth: "0px", borderLeftWidth: "0px", paddingTop: "0px", paddingLeft: "0px" };

function isPlain(element, isCanvas) {
  if (element.shadowRoot) return false; // a closed shadow tree can't be detected here: the probe compares frames
  const view = element.ownerDocument.defaultView;
  const style = view.getComputedStyle(element);
  const differs = (expected) => Object.entries(expected).some(([name, value]) => name in style && style[name] !== value);
  if (style.display === "list-item" || !/^(auto|0)$/.test(style.zIndex)) return false;
  if (differs(PLAIN_STYLE) || (isCanvas && differs(NO_EDGES))) return false;
  if (style.objectFit !== "fill" && isCanvas) return false;
  return ["::before", "::after"].every((pseudo) => /^(none|normal)$/.test(view.getComputedStyle(element, pseudo).content));
}
