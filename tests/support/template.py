"""A page whose props change everything that can differ between videos."""

PAGE = """<!doctype html><html><head><style>
@keyframes k{to{margin-left:100px}}p{animation:k 1s;width:40px;height:40px;background:teal;font:20px sans-serif}
</style></head><body><p></p><script>
const { name = "", frames = 10, width = 160, throws, scaled } = helios.props;
if (throws) throw new Error(throws);
const meta = document.createElement("meta");
Object.assign(meta, { name: "helios", content: `width=${width}, height=90, fps=25, frames=${frames}` });
document.head.append(meta);
document.querySelector("p").textContent = name + JSON.stringify(localStorage.length);
localStorage.setItem("seen", name);
if (scaled) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: 10, height: 10 });
  canvas.style.width = "50px";
  document.body.append(canvas);
}
if (helios.props.reads) fetch(helios.props.reads).then((answer) => answer.text()).then((text) => (document.title = text));
</script></body></html>"""
