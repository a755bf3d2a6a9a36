// The browser may get another address for a media element than the one that the page sees.

const substitutes = new WeakMap(); // element -> {address: for the browser, src, currentSrc, error: for the page}

function substituteSource(element, address) {
  const { src, currentSrc } = element;
  substitutes.set(element, { address, src, currentSrc: currentSrc || src });
  native.mediaSource.set.call(element, address);
}

/** A getter that returns what the page sees, for a property `name` that holds an address. */
const hideSubstitute = (name) => (original) => ({
  get() {
    const value = original.get.call(this);
    const substitute = substitutes.get(this);
    return value && value === substitute?.address ? substitute[name] : value;
  },
});

function installSources() {
  const prototype = HTMLMediaElement.prototype;
  redefine(prototype, "currentSrc", hideSubstitute("currentSrc"));
  redefine(HTMLSourceElement.prototype, "src", hideSubstitute("src"));
  redefine(prototype, "error", (original) => ({
    get() {
      return substitutes.get(this)?.error ?? original.get.call(this);
    },
  }));
  for (const type of ["abort", "emptied", "loadstart", "error", "suspend"]) {
    const hide = (event) => {
      if (substitutes.get(event.target)?.error) event.stopImmediatePropagation();
    };
    window.addEventListener(type, hide, true);
  }
  redefine(prototype, "src", (original) => ({
    ...hideSubstitute("src")(original),
    set(url) {
      substitutes.delete(this);
      clock.players.get(this)?.reload();
      original.set.call(this, url);
      clock.players.get(this)?.removeFragment();
    },
  }));
  prototype.load = function () {
    const substitute = substitutes.get(this);
    if (substitute?.error) {
      substitutes.delete(this);
      if (substitute.src) native.mediaSource.set.call(this, substitute.src);
      else this.removeAttribute("src");
    }
    clock.players.get(this)?.reload();
    native.loadMedia.call(this);
  };
}
