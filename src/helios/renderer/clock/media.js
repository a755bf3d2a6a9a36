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
  const pause = prototype.pause;
  const position = Object.getOwnPropertyDescriptor(prototype, "currentTime");
  const filmOf = (element) => (element.localName === "video" ? filmAt(element.currentSrc) : null);
  const length = (element) => {
    const { duration } = element;
    return Number.isFinite(duration) ? duration : Infinity;
  };

  function govern(element) {
    const known = clock.media.get(element);
    if (known) return known;
    const screen = screenOf(element);
    let [playing, at, from, until] = [false, clock.now, position.get.call(element), Infinity];
    let begun = false;
    const where = (now = clock.now) => {
      const passed = Math.max(0, Math.min(now, until) - at) / 1000;
      const time = from + (playing ? passed * element.playbackRate : 0);
      const end = length(element);
      return element.loop && end < Infinity ? time % end : Math.min(time, end);
    };
    const anchor = (time) => ([at, from] = [clock.now, time]);
    const tell = (type) => element.dispatchEvent(new Event(type));
    const stop = (...events) => {
      anchor(where());
      [playing, until] = [false, Infinity];
      events.forEach(tell);
    };
    /** Resolves when the picture of this moment is shown. */
    const show = () => {
      if (element.localName !== "video") return;
      const url = element.currentSrc;
      const film = filmOf(element);
      if (film === undefined) return clock.track(clock.films.get(url).coming, `video ${url}`).then(show);
      if (film) {
        if (!begun && element.hasAttribute("poster")) return; // its own
        return clock.track(screen.show(film, url, where(), where(clock.now + clock.pace)), `a frame of ${url}`);
      }
      if (element.readyState < 1) return;
      clock.sought ||= element.isConnected;
      // Half a millisecond in, so that a position on a frame's border shows the frame that begins there.
      const wanted = Math.min(where() + 0.0005, length(element));
      if (Math.abs(position.get.call(element) - wanted) <= 1e-6) return;
      const sought = ended(element, "seeked", "error", "emptied");
      position.set.call(element, wanted);
      return clock.track(sought, `video ${url}`);
    };
    const state = {
      screen,
      where,
      playing: () => playing && clock.now >= at,
      play() {
        if (!playing) {
          anchor(where() >= length(element) ? 0 : where());
          playing = begun = true;
          tell("play");
          tell("playing");
        }
        return Promise.resolve();
      },
      pause() {
        pause.call(element);
        if (playing) stop("pause");
      },
      seek(time) {
        begun = true;
        anchor(Math.max(0, Math.min(Number(time), length(element))));
        if (filmOf(element) === null) return void show();
        tell("seeking");
        Promise.resolve(show()).catch(() => {}).then(() => ["timeupdate", "seeked"].forEach(tell));
      },
      rate: () => anchor(where()),
      async place() {
        const before = screen.picture;
        await Promise.resolve(show()).catch(() => {}); // what can't be had is a warning already
        if (screen.picture !== before) tell("timeupdate");
        if (!playing) return;
        if (!element.loop && where() >= length(element)) stop("pause", "ended");
        else if (clock.now >= until) stop("pause");
      },
      /** What is heard of it from here on, if it plays (seconds). */
      heard: () => playing && {
        source: element.currentSrc || element.src,
        start: at / 1000,
        offset: from,
        length: until < Infinity ? (until - at) / 1000 : null,
        volume: element.muted ? 0 : element.volume,
        rate: element.playbackRate,
        loop: element.loop,
      },
    };
    clock.media.set(element, state);
    clock.players.add(element);
    const { start, duration, mediaStart, volume } = element.dataset;
    if (start !== undefined) {
      [playing, at, from] = [true, Number(start) * 1000, Number(mediaStart ?? 0)];
      if (duration !== undefined) until = at + Number(duration) * 1000;
    } else if (element.autoplay) {
      [playing, at, from] = [true, clock.now, 0];
    }
    if (volume !== undefined) element.volume = Math.min(1, Math.max(0, Number(volume)));
    begun = playing;
    element.autoplay = false;
    if (element.localName === "video" && element.preload !== "auto") element.preload = "auto";
    element.addEventListener("emptied", () => {
      screen.clear();
      if (start === undefined) anchor(0);
    });
    // A poster is shown only as long as nothing was played.
    if (!native.paused.call(element) || position.get.call(element) > 0) element.load();
    pause.call(element);
    return state;
  }

  clock.govern ??= govern;
  for (const name of ["video", "audio"]) {
    const found = document.getElementsByTagName(name);
    new MutationObserver(() => [...found].forEach(govern)).observe(document, { childList: true, subtree: true });
  }
  governPictures();
  prototype.play = function () {
    return govern(this).play();
  };
  prototype.pause = function () {
    govern(this).pause();
  };
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
      govern(this).rate();
      original.set.call(this, rate);
    },
  }));
}
