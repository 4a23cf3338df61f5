// Open the gallery with each backend, cold and warm, and write what each page cost into the tables.
const form = document.querySelector("form.measure");
const button = form.querySelector("button");
const progress = form.querySelector(".progress");
const NAMES = { sorl: "sorl alone", shrinkmeister: "Shrinkmeister" };

const cell = (visit, number, backend) =>
  document.querySelector(`[data-visit=${visit}] [data-number=${number}] [data-backend=${backend}]`);

// The browser picks the file for its screen, as it does on the page.
const load = (original) =>
  new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = resolve;
    image.onerror = () => reject(new Error(`The picture “${original.alt}” did not load.`));
    image.srcset = original.getAttribute("srcset");
    image.src = original.getAttribute("src");
  });

const open = async (visit, backend) => {
  const start = performance.now();
  const answer = await fetch(`${form.dataset.gallery}?backend=${backend}`, { cache: "no-store" });
  if (!answer.ok) throw new Error(`The page answered ${answer.status}.`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const number of ["time", "made", "queries", "cache_requests"])
    cell(visit, number, backend).textContent = page.querySelector(`.numbers [data-number=${number}]`).textContent;
  const pictures = [...page.querySelectorAll("img[data-counted]")].map(load);
  for (const [number, arrived] of [["first", Promise.race(pictures)], ["last", Promise.all(pictures)]]) {
    await arrived;
    cell(visit, number, backend).textContent = `${((performance.now() - start) / 1000).toFixed(2)} s`;
  }
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  document.querySelectorAll("td[data-backend]").forEach((one) => (one.textContent = "–"));
  try {
    progress.textContent = "Deleting all copies …";
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
    if (!answer.ok) throw new Error(`The site answered ${answer.status}.`);
    for (const backend of ["sorl", "shrinkmeister"])
      for (const [visit, name] of [["cold", "first"], ["warm", "second"]]) {
        progress.textContent = `${NAMES[backend]}, ${name} visit …`;
        await open(visit, backend);
      }
    progress.textContent = "Done.";
  } catch (error) {
    progress.textContent = `Stopped: ${error.message}`;
  }
  button.disabled = false;
});
