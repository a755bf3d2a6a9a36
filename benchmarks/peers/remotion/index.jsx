// The three scenes of benchmarks/pages, as Remotion compositions.
import { useLayoutEffect, useRef } from "react";
import { AbsoluteFill, Composition, Easing, registerRoot, useCurrentFrame, useVideoConfig } from "remotion";

const WARM = "linear-gradient(120deg, #12343b, #2d6a74 55%, #e1b382)";
const easeInOut = Easing.bezier(0.42, 0, 0.58, 1);

function useSeconds() {
  return useCurrentFrame() / useVideoConfig().fps;
}

/** How far a 4 s `infinite alternate` animation is at `seconds`. */
function alternate(seconds) {
  const rounds = seconds / 4;
  const part = rounds % 1;
  return easeInOut(Math.floor(rounds) % 2 ? 1 - part : part);
}

function Dom() {
  const seconds = useSeconds();
  const cards = Array.from({ length: 40 }, (_, i) => {
    const far = alternate(seconds + i * 0.13);
    const style = {
      position: "absolute",
      left: (i % 8) * 230,
      top: Math.floor(i / 8) * 200,
      width: 180,
      height: 90,
      borderRadius: 18,
      boxShadow: "0 12px 30px rgb(0 0 0 / 40%)",
      color: "#fff",
      font: '600 22px/90px "DejaVu Sans", sans-serif',
      textAlign: "center",
      background: `hsl(${160 + i * 5}deg 60% 45%)`,
      opacity: 0.3 + 0.7 * far,
      transform: `translate(${200 * far}px, ${140 * far}px) rotate(${25 * far}deg)`,
    };
    return (
      <div key={i} style={style}>
        Card {i}
      </div>
    );
  });
  return <AbsoluteFill style={{ background: WARM }}>{cards}</AbsoluteFill>;
}

function Canvas() {
  const canvas = useRef(null);
  const ms = useSeconds() * 1000;
  useLayoutEffect(() => {
    const pen = canvas.current.getContext("2d");
    pen.fillStyle = "#0b1021";
    pen.fillRect(0, 0, 1920, 1080);
    for (let i = 0; i < 2000; i++) {
      const angle = i * 2.399 + (ms / 1000) * (0.2 + (i % 7) / 10);
      const radius = (i * 0.27) % 540;
      pen.fillStyle = `hsl(${(i * 0.7 + ms / 20) % 360}, 75%, 62%)`;
      pen.beginPath();
      pen.arc(960 + Math.cos(angle) * radius * 1.6, 540 + Math.sin(angle) * radius, 3 + (i % 5), 0, 7);
      pen.fill();
    }
    pen.fillStyle = "#fff";
    pen.font = '60px "DejaVu Sans", sans-serif';
    pen.fillText(`${ms.toFixed(1)} ms`, 60, 100);
  }, [ms]);
  return (
    <AbsoluteFill style={{ background: "#000" }}>
      <canvas ref={canvas} width={1920} height={1080} />
    </AbsoluteFill>
  );
}

function Static() {
  const ms = Math.floor(useSeconds() * 1000);
  const line = { position: "absolute", left: 200, fontSize: 80, fontWeight: 700, lineHeight: 1.2 };
  return (
    <AbsoluteFill style={{ background: WARM, color: "#fff", fontFamily: '"DejaVu Sans", sans-serif' }}>
      <div style={{ ...line, top: 200 }}>Milliseconds so far</div>
      <div style={{ ...line, top: 340 }}>{ms}</div>
    </AbsoluteFill>
  );
}

const SCENES = { dom: Dom, canvas: Canvas, static: Static };

registerRoot(() =>
  Object.entries(SCENES).map(([id, component]) => (
    <Composition
      key={id}
      id={id}
      component={component}
      durationInFrames={300}
      fps={30}
      width={1920}
      height={1080}
    />
  )),
);
