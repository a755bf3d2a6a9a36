// Chromium does not redraw an element whose transform has changed by less than a hundredth of a pixel. A frame would
// then depend on the frames that were drawn before it. So this file observes whether a page may have changed at all,
// and the stage repaints such a page completely.

function observeChanges(self, root) {
  const observer = new MutationObserver((records) => {
    self.changed = true;
    for (const { type, target, attributeName, addedNodes } of records) {
      const element = target.nodeType === 1 ? target : target.parentElement;
      if (/^(style|link)$/i.test(element?.localName)) self.stylesChanged = true;
      if (type === "attributes") {
        const inherited = self.changedElements.get(target) || attributeName !== "style";
        self.changedElements.set(target, inherited);
      }
      for (const node of addedNodes) {
        if (node.nodeType !== 1) continue;
        self.changedElements.set(node, true);
        if (/^(style|link)$/.test(node.localName)) self.stylesChanged = true;
      }
    }
  });
  observer.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
}

/** Observes the changes that scripts make to style sheets and to SVG without a change of the document tree. */
function watchStyles() {
  placeCanvases(document);
  observeChanges(clock, document);
  const methods = {
    CSSStyleSheet: ["insertRule", "deleteRule", "replace", "replaceSync"],
    CSSGroupingRule: ["insertRule", "deleteRule"],
    CSSStyleRule: ["insertRule", "deleteRule"],
    CSSKeyframesRule: ["appendRule", "deleteRule"],
    KeyframeEffect: ["setKeyframes"],
  };
  for (const [type, names] of Object.entries(methods)) {
    for (const name of names) {
      const original = window[type].prototype[name];
      window[type].prototype[name] = function (...args) {
        clock.changed = clock.stylesChanged = true;
        return original.apply(this, args);
      };
    }
  }
  // A script that has read one of these can write through it unobserved: the page may change in every frame from then
  // on.
  const noteHiddenChanges = (original) => ({
    get() {
      clock.hasHiddenChanges = true;
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
      if (Object.hasOwn(window[type].prototype, name)) redefine(window[type].prototype, name, noteHiddenChanges);
    }
  }
}
