// Chromium takes a transform that has moved by less than a hundredth of a pixel for one that has not, and goes on
// showing the older picture. Frames would depend on what was drawn before them; so it is known here whether a page
// may have moved at all, and the stage has such a page painted anew.

function observeChanges(self, root) {
  const observer = new MutationObserver((records) => {
    self.changed = true;
    for (const { type, target, attributeName, addedNodes } of records) {
      if (/^(style|link)$/i.test((target.nodeType === 1 ? target : target.parentElement)?.localName)) self.restyled = true;
      if (type === "attributes") self.touched.set(target, self.touched.get(target) || attributeName !== "style");
      for (const node of addedNodes) {
        if (node.nodeType !== 1) continue;
        self.touched.set(node, true);
        if (/^(style|link)$/.test(node.localName)) self.restyled = true;
      }
    }
  });
  observer.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
}

/** Tells of what scripts do to style sheets and to SVG, past the tree. */
function governStyles() {
  placeCanvases(document);
  observeChanges(clock, document);
  const callers = {
    CSSStyleSheet: ["insertRule", "deleteRule", "replace", "replaceSync"],
    CSSGroupingRule: ["insertRule", "deleteRule"],
    CSSStyleRule: ["insertRule", "deleteRule"],
    CSSKeyframesRule: ["appendRule", "deleteRule"],
    KeyframeEffect: ["setKeyframes"],
  };
  for (const [type, names] of Object.entries(callers)) {
    for (const name of names) {
      const original = window[type].prototype[name];
      window[type].prototype[name] = function (...args) {
        clock.changed = clock.restyled = true;
        return original.apply(this, args);
      };
    }
  }
  // What is written through these can't be seen: from here on, the page may move in every frame.
  const restless = (original) => ({
    get() {
      clock.restless = true;
      return original.get.call(this);
    },
  });
  const handles = {
    CSSStyleRule: ["style", "styleMap"],
    CSSKeyframeRule: ["style"],
    SVGGraphicsElement: ["transform"],
    SVGGradientElement: ["gradientTransform"],
    SVGPatternElement: ["patternTransform"],
    SVGSVGElement: ["viewBox", "currentTranslate"],
  };
  for (const [type, names] of Object.entries(handles)) {
    for (const name of names) {
      if (Object.hasOwn(window[type].prototype, name)) redefine(window[type].prototype, name, restless);
    }
  }
}
