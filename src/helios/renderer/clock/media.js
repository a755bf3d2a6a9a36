// Media elements and SVG's own timeline: both stand still and are sought to where they should be.

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

function placeMedia(self) {
  self.videos = 0;
  for (const document of everyDocument()) {
    self.videos += document.querySelectorAll("video").length;
    for (const element of document.querySelectorAll("video, audio")) self.media.get(element)?.place();
  }
}

// A media element plays on the clock: its own playback stands still and is sought to where it should be.
function governMedia() {
  const prototype = HTMLMediaElement.prototype;
  const pause = prototype.pause;
  const position = Object.getOwnPropertyDescriptor(prototype, "currentTime");
  const length = (element) => (Number.isFinite(element.duration) ? element.duration : Infinity);

  function govern(element) {
    const known = clock.media.get(element);
    if (known) return known;
    let [playing, at, from] = [false, clock.now, position.get.call(element)];
    const where = () => {
      const time = from + (playing ? ((clock.now - at) / 1000) * element.playbackRate : 0);
      const end = length(element);
      return element.loop && end < Infinity ? time % end : Math.min(time, end);
    };
    const anchor = (time) => ([at, from] = [clock.now, time]);
    const tell = (type) => element.dispatchEvent(new Event(type));
    const state = {
      where,
      playing: () => playing,
      play() {
        if (!playing) {
          anchor(where() >= length(element) ? 0 : where());
          playing = true;
          tell("play");
          tell("playing");
        }
        return Promise.resolve();
      },
      pause() {
        pause.call(element);
        if (!playing) return;
        anchor(where());
        playing = false;
        tell("pause");
      },
      seek(time) {
        anchor(Math.max(0, Math.min(Number(time), length(element))));
        state.place();
      },
      rate: () => anchor(where()),
      place() {
        if (element instanceof HTMLVideoElement && element.readyState >= 1) {
          // Half a millisecond in, so that a position on a frame's border shows the frame that begins there.
          const wanted = Math.min(where() + 0.0005, length(element));
          if (Math.abs(position.get.call(element) - wanted) > 1e-6) {
            const sought = ended(element, "seeked", "error", "emptied");
            position.set.call(element, wanted);
            clock.track(sought, `video ${element.currentSrc}`);
          }
        }
        if (playing && !element.loop && where() >= length(element)) {
          anchor(length(element));
          playing = false;
          tell("pause");
          tell("ended");
        }
      },
    };
    clock.media.set(element, state);
    if (element.autoplay) {
      element.autoplay = false;
      [playing, at, from] = [true, clock.now, 0];
    }
    pause.call(element);
    if (element instanceof HTMLVideoElement && element.readyState < 2 && (element.currentSrc || element.src)) {
      clock.track(ended(element, "loadeddata", "error", "emptied"), `video ${element.currentSrc || element.src}`);
    }
    return state;
  }

  clock.govern ??= govern;
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
