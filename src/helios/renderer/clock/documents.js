// Looking through a page: its same-origin documents, and what in their markup waits for something.

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

// Handlers, and SMIL animations that begin with an event or with another animation, are passed one by one.
function chainedInMarkup() {
  const another = /[a-z_][\w-]*\.|[a-z]{4}/i;
  const chained = (element) => ["begin", "end"].some((name) => another.test(element.getAttribute(name) ?? ""));
  const names = "onanimationstart onanimationiteration onanimationend onanimationcancel ontransitionrun"
    + " ontransitionstart ontransitionend ontransitioncancel onbegin onend onrepeat";
  const selector = names.split(" ").map((name) => `[${name}]`).join();
  return [...everyDocument()].some(
    (document) => document.querySelector(selector) || [...document.querySelectorAll("[begin], [end]")].some(chained),
  );
}
