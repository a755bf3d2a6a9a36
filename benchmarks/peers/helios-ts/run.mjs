// Renders a page with TypeScript Helios: node run.mjs PAGE-URL OUTPUT dom|canvas FRAMES WORKERS FFMPEG
import { fileURLToPath } from "node:url";
import { Renderer, RenderOrchestrator } from "@helios-project/renderer";

const [page, output, mode, frames, workers, ffmpegPath] = process.argv.slice(2);
const options = {
  width: 1920,
  height: 1080,
  fps: 30,
  frameCount: Number(frames),
  durationInSeconds: Number(frames) / 30,
  mode,
  videoCodec: "libx264",
  preset: "veryfast",
  crf: 20,
  ffmpegPath,
  concurrency: Number(workers),
  browserConfig: {
    executablePath: fileURLToPath(new URL("browser", import.meta.url)),
    gpu: false,
    args: ["--no-sandbox"],
  },
};

if (options.concurrency > 1) await RenderOrchestrator.render(page, output, options);
else await new Renderer(options).render(page, output);
process.exit(0); // it leaves handles open that would keep the process alive
