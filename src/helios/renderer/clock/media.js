// Media elements and SVG's own timeline: both stand still and are put where they should be.

function placeSvg(self) {
  for (const document of everyDocument()) {
    for (const svg of document.querySelectorAll("svg")) {
      if (svg.ownerSVGElement) continue;
      if (svg[KEY] === undefined) {
        svg[KEY] = self.frame <= 0 ? 0 : self.now;
        svg.pauseAnimations();
      }
      svg.setCurrentTime((self.now - svg[KEY]) / 1000);
      if (svg.querySelector("animate, animateTransform, animateMotion, set")) self.changed = true;
    }
  }
}

/** Resolves when all that plays shows what it should. */
async function placeMedia(self) {
  self.sought = false;
  await Promise.all([...self.players].map((element) => self.media.get(element).place()));
}

// A media element plays on the clock, while its own playback stands still: it begins by `play()`, by `autoplay`, or at the
// second that `data-start` says, for `data-duration` seconds, with what it has at `data-media-start`.
function governMedia() {
  const prototype = HTMLMediaElement.prototype;
  const { load, pause } = prototype;
  const position = Object.getOwnPropertyDescriptor(prototype, "currentTime");
  const filmOf = (element) => (element.localName === "video" ? filmAt(element.currentSrc) : null);
  const length = (element) => {
    const { duration } = element;
    return Number.isFinite(duration) ? duration : Infinity;
  };

  const seconds = (text) => (Number.isFinite(Number(text)) ? Math.max(0, Number(text)) : 0);

  function govern(element) {
    const known = clock.media.get(element);
    if (known) return known;
    const screen = screenOf(element);
    const ear = earOf(element);
    let [playing, at, from, until] = [false, clock.now, 0, Infinity];
    let positioned = false; // or else `from` counts from where its address has it begin
    let spent = false; // whether it has been paused where its address has it end
    let begun = false; // what it had as a poster is seen until then
    let reloading = false; // which is told of later
    let placed = element.isConnected;
    let { autoplay } = element;
    const part = () => partOf(element.src || element.currentSrc);
    /** Where (s) its address has it pause: there, and only once. */
    const stopsAt = () => (spent || part().end >= length(element) ? Infinity : part().end);
    const lead = () => (positioned ? 0 : part().start);
    const where = (now = clock.now) => {
      const passed = Math.max(0, Math.min(now, until) - at) / 1000;
      const first = from + lead();
      const last = Math.max(first, stopsAt());
      const time = playing ? Math.min(first + passed * element.playbackRate, last) : first;
      const end = length(element);
      return element.loop && end < Infinity ? Math.max(0, ((time + 1e-6) % end) - 1e-6) : Math.min(time, end);
    };
    const anchor = (time) => ([at, from] = [playing ? Math.max(at, clock.now) : clock.now, time - lead()]);
    const listen = () => {
      if (!playing) return ear.end();
      const [begins, ends] = [positioned ? () => 0 : () => part().start, spent ? () => Infinity : stopsAt];
      ear.begin(at, from, until, begins, ends);
    };
    const tell = (type) => element.dispatchEvent(new Event(type));
    const stop = (...events) => {
      const stopped = where();
      [playing, until] = [false, Infinity];
      anchor(stopped);
      listen();
      events.forEach(tell);
    };
    /** Does what its attributes say, from its beginning on. */
    const begin = () => {
      const { start, duration, mediaStart } = element.dataset;
      [playing, at, from, until] = [autoplay, clock.now, 0, Infinity];
      positioned = spent = false;
      if (start !== undefined) [playing, at, from] = [true, seconds(start) * 1000, seconds(mediaStart)];
      if (start !== undefined && mediaStart !== undefined) positioned = true;
      if (start !== undefined && duration !== undefined) until = at + seconds(duration) * 1000;
      begun = playing;
      listen();
    };
    const isSought = () => element.localName === "video" && filmOf(element) === null && element.readyState >= 1;
    const seekNatively = () => {
      if (element.error) return;
      clock.sought ||= element.isConnected;
      // Half a millisecond in, so that a position on a frame's border shows the frame that begins there.
      const wanted = Math.min(where() + 0.0005, length(element));
      if (Math.abs(position.get.call(element) - wanted) <= 1e-6) return;
      const sought = ended(element, "seeked", "error", "emptied");
      position.set.call(element, wanted);
      return clock.track(sought, `video ${element.currentSrc}`);
    };
    /** Resolves when the picture of this moment is shown. */
    const show = () => {
      if (element.localName !== "video") return;
      const url = element.currentSrc;
      const film = filmOf(element);
      if (film === undefined) return clock.track(clock.films.get(addressOf(url)).coming, `video ${url}`).then(show);
      if (clock.skipVideoDecoding) return;
      if (!film) return isSought() ? seekNatively() : undefined;
      if (!begun && lead() === 0 && element.hasAttribute("poster")) return; // its own
      return clock.track(screen.show(film, url, where(), where(clock.now + clock.pace)), `a frame of ${url}`);
    };
    const state = {
      screen,
      ear,
      where,
      playing: () => playing && clock.now >= at,
      play() {
        if (playing) return Promise.resolve();
        if (where() >= length(element)) [positioned, from, at] = [true, 0, clock.now];
        else anchor(where());
        playing = begun = true;
        listen();
        tell("play");
        tell("playing");
        const { localName, currentSrc, src, readyState } = element;
        if (readyState < 1 && isComing(element)) clock.track(loaded(element), `${localName} ${currentSrc || src}`);
        return Promise.resolve();
      },
      pause() {
        pause.call(element);
        if (playing) stop("pause");
      },
      seek(time) {
        if (!Number.isFinite(Number(time))) throw new TypeError("currentTime is a finite number");
        begun = positioned = true;
        anchor(Math.max(0, Math.min(Number(time), length(element))));
        listen();
        if (isSought()) return void seekNatively();
        tell("seeking");
        Promise.resolve(show()).catch(() => {}).then(() => ["timeupdate", "seeked"].forEach(tell));
      },
      /** Has `change` change how fast it plays. */
      rate(change) {
        anchor(where());
        change();
        listen();
      },
      /** It is given another source, or the same once more. */
      reload(plays = autoplay) {
        ear.end();
        autoplay = plays;
        reloading = element.networkState !== element.NETWORK_EMPTY;
        begin();
      },
      async place() {
        if (placed && !element.isConnected && playing) stop("pause"); // as browsers do
        placed = element.isConnected;
        const before = screen.picture;
        await Promise.resolve(show()).catch(() => {}); // what can't be had is a warning already
        if (screen.picture !== before) tell("timeupdate");
        if (hasFailed(element)) clock.failed.add(element.currentSrc);
        if (!playing) return;
        if (!element.loop && where() >= length(element)) stop("pause", "ended");
        else if (clock.now >= until) stop("pause");
        else if (where() >= stopsAt() - 1e-6) {
          stop("pause");
          spent = true;
        }
      },
      /** What its address says is seen to here, and the browser gets an address that has it do nothing by itself. */
      plain() {
        const url = element.src || element.currentSrc;
        if (given.has(element) || element.localName !== "video" || !url.startsWith(`${config.origin}/`) || partOf(url).start === 0) return;
        // Having sought, it would never show a poster again.
        const bare = withoutFragment(url);
        reloading = element.networkState !== element.NETWORK_EMPTY;
        if (element.src) return giveAddress(element, bare);
        const source = [...element.querySelectorAll("source")].find(({ src }) => src === url);
        if (!source) return;
        given.set(element, { address: bare, src: "", currentSrc: url });
        given.set(source, { address: bare, src: url });
        source.setAttribute("src", bare);
        load.call(element);
      },
      /** Chromium waits for the first frame of a video for ever, even if it knows that there is none. */
      bury() {
        if (element.localName !== "video" || element.readyState !== element.HAVE_METADATA) return;
        const { videoWidth, videoHeight, error } = element;
        const size = `<svg xmlns='http://www.w3.org/2000/svg' width='${videoWidth}' height='${videoHeight}'/>`;
        if (!element.hasAttribute("poster")) native.setAttribute.call(element, "poster", `data:image/svg+xml,${size}`);
        reloading = true;
        giveAddress(element, NO_MEDIA);
        given.get(element).error = error;
      },
    };
    clock.media.set(element, state);
    clock.players.add(element);
    const { volume } = element.dataset;
    if (volume !== undefined) element.volume = Math.min(1, seconds(volume));
    autoplays.set.call(element, false);
    if (element.localName === "video") element.preload = "auto";
    else if (element.preload === "none") element.preload = "metadata";
    begin();
    element.addEventListener("emptied", () => {
      screen.clear();
      if (!reloading) {
        given.delete(element);
        begin();
      }
      reloading = false;
    });
    element.addEventListener("loadstart", () => state.plain());
    // A poster is shown only as long as nothing was played.
    if (!native.paused.call(element) || position.get.call(element) > 0) {
      reloading = true;
      load.call(element);
    }
    pause.call(element);
    state.plain();
    return state;
  }

  const given = new WeakMap(); // element -> the address that the browser was given instead of what the page sees
  const NO_MEDIA = "data:,";
  const giveAddress = (element, address) => {
    const { src, currentSrc } = element;
    given.set(element, { address, src, currentSrc: currentSrc || src });
    sources.set.call(element, address);
  };
  const seen = (name) => (original) => ({
    get() {
      const value = original.get.call(this);
      const known = given.get(this);
      return value && value === known?.address ? known[name] : value;
    },
  });
  redefine(prototype, "currentSrc", seen("currentSrc"));
  redefine(HTMLSourceElement.prototype, "src", seen("src"));
  redefine(prototype, "error", (original) => ({
    get() {
      return given.get(this)?.error ?? original.get.call(this);
    },
  }));
  for (const type of ["abort", "emptied", "loadstart", "error", "suspend"]) {
    const hide = (event) => {
      if (given.get(event.target)?.error) event.stopImmediatePropagation();
    };
    window.addEventListener(type, hide, true);
  }

  clock.govern ??= govern;
  for (const name of ["video", "audio"]) {
    const found = document.getElementsByTagName(name);
    new MutationObserver(() => [...found].forEach(govern)).observe(document, { childList: true, subtree: true });
  }
  governPictures();
  // One that is made may begin to play later, and be nowhere to be found.
  const foresee = (element) => {
    clock.heeded ||= clock.frame <= 0 && element instanceof HTMLMediaElement;
    return element;
  };
  const create = Document.prototype.createElement;
  Document.prototype.createElement = function (...args) {
    return foresee(create.apply(this, args));
  };
  window.Audio = new Proxy(window.Audio, {
    construct: (target, args, self) => foresee(Reflect.construct(target, args, self)),
  });
  prototype.play = function () {
    return govern(this).play();
  };
  prototype.pause = function () {
    govern(this).pause();
  };
  prototype.load = function () {
    const known = given.get(this);
    if (known?.error) {
      given.delete(this);
      if (known.src) sources.set.call(this, known.src);
      else this.removeAttribute("src");
    }
    clock.media.get(this)?.reload();
    load.call(this);
  };
  const sources = redefine(prototype, "src", (original) => ({
    ...seen("src")(original),
    set(url) {
      given.delete(this);
      clock.media.get(this)?.reload();
      original.set.call(this, url);
      clock.media.get(this)?.plain();
    },
  }));
  const autoplays = redefine(prototype, "autoplay", (original) => ({
    set(plays) {
      const state = clock.media.get(this);
      if (state) state.reload(Boolean(plays));
      else original.set.call(this, plays);
    },
  }));
  for (const name of ["volume", "muted"]) {
    redefine(prototype, name, (original) => ({
      set(value) {
        original.set.call(this, value);
        clock.media.get(this)?.ear.change();
      },
    }));
  }
  redefine(prototype, "paused", () => ({
    get() {
      return !govern(this).playing();
    },
  }));
  redefine(prototype, "duration", (original) => ({
    get() {
      return filmOf(this)?.duration ?? original.get.call(this);
    },
  }));
  redefine(prototype, "ended", () => ({
    get() {
      return !this.loop && govern(this).where() >= length(this);
    },
  }));
  redefine(prototype, "currentTime", () => ({
    get() {
      return govern(this).where();
    },
    set(time) {
      govern(this).seek(time);
    },
  }));
  redefine(prototype, "playbackRate", (original) => ({
    set(rate) {
      govern(this).rate(() => original.set.call(this, rate));
    },
  }));
}
