// SVG animations (SMIL): the time line of each outermost <svg> is paused, and placed in every frame.

function placeSvg(self) {
  for (const document of everyDocument()) {
    for (const svg of document.querySelectorAll("svg")) {
      if (svg.ownerSVGElement) continue;
      if (svg[KEY] === undefined) {
        svg[KEY] = self.frame <= 0 ? 0 : self.now; // the page's time (ms) at which its own time line starts
        svg.pauseAnimations();
      }
      svg.setCurrentTime((self.now - svg[KEY]) / 1000);
      if (svg.querySelector("animate, animateTransform, animateMotion, set")) self.changed = true;
    }
  }
}
