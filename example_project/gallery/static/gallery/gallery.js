// Finish each picture's badge when the picture has arrived, and count the pictures.
const images = [...document.querySelectorAll("img[data-counted]")];
const output = document.getElementById("loaded");
let loaded = 0, failed = 0;

const show = () => {
  const done = loaded + failed === images.length;
  const seconds = (performance.now() / 1000).toFixed(2);
  output.textContent = `${loaded} of ${images.length}` + (failed ? `, ${failed} failed` : "") + (done ? ` in ${seconds} s` : "");
};

const finish = (image) => {
  const arrived = image.naturalWidth > 0;
  arrived ? loaded++ : failed++;
  const badge = image.parentElement.querySelector(".badge");
  badge.textContent = arrived ? badge.dataset.done : "could not be loaded";
  badge.classList.add(arrived ? "done" : "failed");
  if (!arrived) badge.title = "The browser got no picture. Reload the page to try again.";
  show();
};

if (output) show();
for (const image of images) {
  if (image.complete) finish(image);
  else for (const event of ["load", "error"]) image.addEventListener(event, () => finish(image), { once: true });
}

// The arrow keys open the previous and the next photo.
addEventListener("keydown", (event) => {
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = rel && document.querySelector(`a[rel=${rel}]`);
  if (link && !event.altKey && !event.ctrlKey && !event.metaKey) link.click();
});
