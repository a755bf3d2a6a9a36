// The page's same-origin documents and shadow trees.

function* everyDocument(view = window) {
  let document;
  try {
    document = view.document;
  } catch {
    return; // another origin
  }
  if (!document) return;
  yield document;
  for (let i = 0; i < view.frames.length; i++) yield* everyDocument(view.frames[i]);
}

/** Whether the markup has handlers for events of animations, or SVG animations that start or end with another event. */
function hasAnimationEvents() {
  const eventTime = /[a-z_][\w-]*\.|[a-z]{4}/i;
  const followsEvent = (element) => ["begin", "end"].some((name) => eventTime.test(element.getAttribute(name) ?? ""));
  const names = "onanimationstart onanimationiteration onanimationend onanimationcancel ontransitionrun"
    + " ontransitionstart ontransitionend ontransitioncancel onbegin onend onrepeat";
  const handlers = names.split(" ").map((name) => `[${name}]`).join();
  return [...everyDocument()].some(
    (document) => document.querySelector(handlers) || [...document.querySelectorAll("[begin], [end]")].some(followsEvent),
  );
}

function watchShadowRoots() {
  const add = (root) => {
    clock.addRoot(root);
    if (config.staged) placeCanvases(root);
  };
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (init) {
    const root = attach.call(this, init);
    add(root);
    return root;
  };
  window.addEventListener("DOMContentLoaded", () => {
    for (const { shadowRoot } of document.querySelectorAll("*")) if (shadowRoot) add(shadowRoot); // declared in the markup
  });
}
