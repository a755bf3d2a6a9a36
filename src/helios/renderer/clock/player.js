// A media element plays on the page's clock, while its own playback is paused. It starts by play(), by autoplay, or
// at the second `data-start`, for `data-duration` seconds, from `data-media-start` of its source on.

const NO_MEDIA = "data:,";
const TOLERANCE = 1e-6; // s
const INTO_FRAME = 0.0005; // s: a seek to the boundary of two frames shows the one that starts there

const parseSeconds = (text) => (Number.isFinite(Number(text)) ? Math.max(0, Number(text)) : 0);

/** The duration (s) of an element's source, or Infinity. */
const mediaLength = ({ duration }) => (Number.isFinite(duration) ? duration : Infinity);

const findElementVideo = (element) => (element.localName === "video" ? findVideo(element.currentSrc) : null);

function createPlayer(element) {
  const display = createVideoDisplay(element);
  const audio = createAudioRecorder(element);
  let playing = false;
  let startTime = clock.now; // ms: the element was at `startPosition` then, if it plays
  let startPosition = 0; // s, behind the start of the fragment unless `absolute`
  let absolute = false;
  let stopTime = Infinity; // ms
  let fragmentFinished = false; // it has been paused at the end of the fragment
  let hasPlayed = false; // until then, a video shows its poster
  let wasReset = false; // for a new source, of which the event `emptied` is still to come
  let wasConnected = element.isConnected;
  let { autoplay } = element;

  const fragment = () => parseFragment(element.src || element.currentSrc);
  const fragmentEnd = () => (fragmentFinished || fragment().end >= mediaLength(element) ? Infinity : fragment().end);
  const fragmentStart = () => (absolute ? 0 : fragment().start);
  const dispatch = (type) => element.dispatchEvent(new Event(type));

  /** The position (s) in the source. */
  const position = (now = clock.now) => {
    const passed = Math.max(0, Math.min(now, stopTime) - startTime) / 1000;
    const first = startPosition + fragmentStart();
    const last = Math.max(first, fragmentEnd());
    const time = playing ? Math.min(first + passed * element.playbackRate, last) : first;
    const end = mediaLength(element);
    if (element.loop && end < Infinity) return Math.max(0, ((time + TOLERANCE) % end) - TOLERANCE);
    return Math.min(time, end);
  };

  const moveTo = (time) => {
    startTime = playing ? Math.max(startTime, clock.now) : clock.now;
    startPosition = time - fragmentStart();
  };

  const recordAudio = () => {
    if (!playing) return audio.stop();
    const partStart = absolute ? () => 0 : () => fragment().start;
    const partEnd = fragmentFinished ? () => Infinity : fragmentEnd;
    audio.start(startTime, startPosition, stopTime, partStart, partEnd);
  };

  const stop = (...events) => {
    const stopped = position();
    [playing, stopTime] = [false, Infinity];
    moveTo(stopped);
    recordAudio();
    events.forEach(dispatch);
  };

  /** Starts over as the element's attributes say. */
  const reset = () => {
    const { start, duration, mediaStart } = element.dataset;
    [playing, startTime, startPosition, stopTime] = [autoplay, clock.now, 0, Infinity];
    absolute = fragmentFinished = false;
    if (start !== undefined) {
      [playing, startTime, startPosition] = [true, parseSeconds(start) * 1000, parseSeconds(mediaStart)];
      absolute = mediaStart !== undefined;
      if (duration !== undefined) stopTime = startTime + parseSeconds(duration) * 1000;
    }
    hasPlayed = playing;
    recordAudio();
  };

  const seeksNatively = () =>
    element.localName === "video" && findElementVideo(element) === null && element.readyState >= 1;

  const seekNatively = () => {
    if (element.error) return;
    clock.seeksVideo ||= element.isConnected;
    const time = Math.min(position() + INTO_FRAME, mediaLength(element));
    if (Math.abs(native.mediaTime.get.call(element) - time) <= TOLERANCE) return;
    const seeked = nextEvent(element, "seeked", "error", "emptied");
    native.mediaTime.set.call(element, time);
    return clock.track(seeked, `video ${element.currentSrc}`);
  };

  /** Resolves when the element shows the frame of the clock's time. */
  const show = () => {
    if (element.localName !== "video") return;
    const url = element.currentSrc;
    const video = findElementVideo(element);
    if (video === undefined) return clock.track(clock.videos.get(videoAddress(url)).loading, `video ${url}`).then(show);
    if (clock.skipVideoDecoding) return;
    if (!video) return seeksNatively() ? seekNatively() : undefined;
    if (!hasPlayed && fragmentStart() === 0 && element.hasAttribute("poster")) return; // the page's own poster
    return clock.track(display.show(video, url, position(), position(clock.now + clock.lastStep)), `a frame of ${url}`);
  };

  const player = {
    display,
    audio,
    position,
    isPlaying: () => playing && clock.now >= startTime,

    play() {
      if (playing) return Promise.resolve();
      if (position() >= mediaLength(element)) [absolute, startPosition, startTime] = [true, 0, clock.now];
      else moveTo(position());
      playing = hasPlayed = true;
      recordAudio();
      dispatch("play");
      dispatch("playing");
      const { localName, currentSrc, src, readyState } = element;
      if (readyState < 1 && isLoading(element)) clock.track(mediaLoaded(element), `${localName} ${currentSrc || src}`);
      return Promise.resolve();
    },

    pause() {
      native.pauseMedia.call(element);
      if (playing) stop("pause");
    },

    seek(time) {
      if (!Number.isFinite(Number(time))) throw new TypeError("currentTime is a finite number");
      hasPlayed = absolute = true;
      moveTo(Math.max(0, Math.min(Number(time), mediaLength(element))));
      recordAudio();
      if (seeksNatively()) return void seekNatively();
      dispatch("seeking");
      Promise.resolve(show()).catch(() => {}).then(() => ["timeupdate", "seeked"].forEach(dispatch));
    },

    /** `setRate` sets the element's playback rate. */
    changeRate(setRate) {
      moveTo(position());
      setRate();
      recordAudio();
    },

    /** The element gets another source, or the same one again. */
    reload(plays = autoplay) {
      audio.stop();
      autoplay = plays;
      wasReset = element.networkState !== element.NETWORK_EMPTY;
      reset();
    },

    /** Moves the element to the clock's time. Resolves when it shows that. */
    async place() {
      if (wasConnected && !element.isConnected && playing) stop("pause"); // as browsers do
      wasConnected = element.isConnected;
      const before = display.image;
      await Promise.resolve(show()).catch(() => {}); // the renderer has warned about a frame that can't be loaded
      if (display.image !== before) dispatch("timeupdate");
      if (hasFailed(element)) clock.failedMedia.add(element.currentSrc);
      if (!playing) return;
      if (!element.loop && position() >= mediaLength(element)) stop("pause", "ended");
      else if (clock.now >= stopTime) stop("pause");
      else if (position() >= fragmentEnd() - TOLERANCE) {
        stop("pause");
        fragmentFinished = true;
      }
    },

    /** Hides the fragment of a video from the browser, which would seek to it and then never show a poster again. */
    removeFragment() {
      const url = element.src || element.currentSrc;
      if (substitutes.has(element) || element.localName !== "video") return;
      if (!url.startsWith(`${config.origin}/`) || parseFragment(url).start === 0) return;
      const address = withoutFragment(url);
      wasReset = element.networkState !== element.NETWORK_EMPTY;
      if (element.src) return substituteSource(element, address);
      const source = [...element.querySelectorAll("source")].find(({ src }) => src === url);
      if (!source) return;
      substitutes.set(element, { address, src: "", currentSrc: url });
      substitutes.set(source, { address, src: url });
      source.setAttribute("src", address);
      native.loadMedia.call(element);
    },

    /** Chromium waits forever for the first frame of a video, even if it has found that there is none. */
    replaceUndecodable() {
      if (element.localName !== "video" || element.readyState !== element.HAVE_METADATA) return;
      const { videoWidth, videoHeight, error } = element;
      const empty = `<svg xmlns='http://www.w3.org/2000/svg' width='${videoWidth}' height='${videoHeight}'/>`;
      if (!element.hasAttribute("poster")) native.setAttribute.call(element, "poster", `data:image/svg+xml,${empty}`);
      wasReset = true;
      substituteSource(element, NO_MEDIA);
      substitutes.get(element).error = error;
    },
  };

  clock.players.set(element, player);
  clock.mediaElements.add(element);
  const { volume } = element.dataset;
  if (volume !== undefined) element.volume = Math.min(1, parseSeconds(volume));
  native.autoplay.set.call(element, false);
  if (element.localName === "video") element.preload = "auto";
  else if (element.preload === "none") element.preload = "metadata";
  reset();
  element.addEventListener("emptied", () => {
    display.clear();
    if (!wasReset) {
      substitutes.delete(element);
      reset();
    }
    wasReset = false;
  });
  element.addEventListener("loadstart", () => player.removeFragment());
  // The browser shows a poster only if it has played nothing since the element was loaded.
  if (!native.paused.get.call(element) || native.mediaTime.get.call(element) > 0) {
    wasReset = true;
    native.loadMedia.call(element);
  }
  native.pauseMedia.call(element);
  player.removeFragment();
  return player;
}
