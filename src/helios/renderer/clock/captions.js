// Subtitles that are drawn over the page. They are in the top layer, in a closed shadow tree: styles of the page
// don't apply to them, no element of the page covers them, and no observer of the page reports their changes.

function installCaptions() {
  const important = (style) => style.replaceAll(";", " !important;");
  const host = document.createElementNS("http://www.w3.org/1999/xhtml", "helios-captions");
  host.style.cssText = important(
    "all: initial; position: fixed; inset: 0; width: 100%; height: 100%; display: flex; align-items: flex-end;"
      + "justify-content: center; pointer-events: none; direction: ltr; unicode-bidi: isolate;",
  );
  host.popover = "manual";
  const box = document.createElementNS("http://www.w3.org/1999/xhtml", "div");
  box.style.cssText = "box-sizing: border-box; max-width: 90%; margin-bottom: 5vh; padding: .15em .5em; color: #fff;"
    + "background: rgb(0 0 0 / .75); border-radius: .15em; font: min(5vh, 7vw)/1.3 sans-serif; text-align: center;"
    + "text-wrap: balance; white-space: pre-line; overflow-wrap: anywhere; unicode-bidi: plaintext;";
  host.attachShadow({ mode: "closed" }).append(box);
  const { showPopover, hidePopover } = HTMLElement.prototype;
  let covered = true;

  const self = {
    host,
    shown: "",
    /** Shows the subtitle of the clock's time, rounded to milliseconds as the times of subtitles are. */
    update() {
      const time = Math.round(clock.now);
      const [, , text] = config.captions.find(([start, end]) => start <= time && time < end) ?? ["", "", ""];
      if (!host.isConnected) document.documentElement?.append(host);
      if (covered || !host.matches(":popover-open")) raise();
      if (text === self.shown) return;
      self.shown = text;
      box.replaceChildren(parseMarkup(text));
      box.style.display = text ? "block" : "none";
      clock.changed = true;
    },
  };

  function raise() {
    if (!host.isConnected) return;
    if (host.matches(":popover-open")) hidePopover.call(host);
    showPopover.call(host);
    covered = false;
  }

  // An element that the page adds to the top layer later covers those that are in it.
  for (const [prototype, names] of [
    [HTMLElement.prototype, ["showPopover", "togglePopover"]],
    [HTMLDialogElement.prototype, ["showModal"]],
  ]) {
    for (const name of names) {
      const original = prototype[name];
      prototype[name] = function (...args) {
        covered = true;
        return original.apply(this, args);
      };
    }
  }
  box.style.display = "none";
  clock.captions = self;
}

/** Returns a fragment of the text, with its `<i>`, `<b>` and `<u>` as elements. */
function parseMarkup(text) {
  const open = [document.createDocumentFragment()];
  for (const part of text.split(/(<\/?[biu]>)/)) {
    const [, closes, name] = part.match(/^<(\/?)([biu])>$/) ?? [];
    if (!name) {
      open.at(-1).append(part);
    } else if (!closes) {
      const element = document.createElementNS("http://www.w3.org/1999/xhtml", name);
      open.at(-1).append(element);
      open.push(element);
    } else if (open.length > 1) {
      open.pop();
    }
  }
  return open[0];
}
