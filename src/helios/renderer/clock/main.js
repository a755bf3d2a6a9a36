// The entry point: runs in every document before the page's own scripts. scripts.py puts the files of this folder into
// one function, this one last, with `config`:
//   epoch     Date.now() at frame 0 (ms)
//   seed      of Math.random()
//   props     the JSON for helios.props
//   manual    animations are paused and placed by script, because the browser starts frames by itself
//   staged    the page is in a frame of the stage's document
//   origin    the origin of the page's folder, or null
//   captions  [start (ms), end (ms), text] of the subtitles to show over the page

const KEY = Symbol.for("helios.clock");
const clock = window[KEY] ?? parentClock() ?? createClock();
const isStage = config.staged && window === window.top;
const onStage = config.staged && !isStage && window.parent === window.top;
const isEmptyStage = onStage && location.href === "about:blank"; // the stage's frame before the page has loaded

if (!window[KEY] && !isEmptyStage) {
  Object.defineProperty(window, KEY, { value: clock });
  if (!isStage) installClock();
}

function parentClock() {
  try {
    return window.parent === window ? null : window.parent[KEY];
  } catch {
    return null; // a document in a frame of another origin has its own clock
  }
}

function installClock() {
  if (config.captions.length && (config.staged ? onStage : window === window.top)) installCaptions();
  if (onStage) hideStage();
  installTime();
  installTimers();
  installAnimationFrames();
  watchMessages();
  watchCanvases();
  watchAudioContexts();
  installRandom();
  installAnimations();
  watchShadowRoots();
  installMedia();
  if (config.staged) {
    watchStyles();
    keepCanvasesInPlace();
  }
  watchLoading();
  installHelios();
}
