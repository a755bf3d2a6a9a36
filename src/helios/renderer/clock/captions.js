// Subtitles that are drawn into the picture. They stand in the top layer, in a closed shadow tree: no style of the page
// reaches them, nothing of the page covers them, and what changes in there is noticed by no observer.

function governCaptions() {
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
    /** Shows what belongs to the clock's time. Subtitles count whole milliseconds, so that is how it is compared. */
    show() {
      const time = Math.round(clock.now);
      const [, , text] = config.captions.find(([from, to]) => from <= time && time < to) ?? ["", "", ""];
      if (!host.isConnected) document.documentElement?.append(host);
      if (covered || !host.matches(":popover-open")) raise();
      if (text === self.shown) return;
      self.shown = text;
      box.replaceChildren(marked(text));
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

  // What the page puts into the top layer later comes above what is there.
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

/** A text with its `<i>`, `<b>` and `<u>` as elements. */
function marked(text) {
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
