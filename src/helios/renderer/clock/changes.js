// Chromium takes a transform that has moved by less than a hundredth of a pixel for one that has not, and goes on
// showing the older picture. Frames would depend on what was drawn before them; so it is known here whether a page
// may have moved at all, and the stage has such a page painted anew.

function observeChanges(self, root) {
  const observer = new MutationObserver(() => void (self.changed = true));
  observer.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
}

/** Tells of what scripts do to style sheets and to SVG, past the tree. */
function governStyles() {
  observeChanges(clock, document);
  for (const name of ["insertRule", "deleteRule", "replace", "replaceSync"]) {
    const original = CSSStyleSheet.prototype[name];
    CSSStyleSheet.prototype[name] = function (...args) {
      clock.changed = true;
      return original.apply(this, args);
    };
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
    Document: ["adoptedStyleSheets"],
    ShadowRoot: ["adoptedStyleSheets"],
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
