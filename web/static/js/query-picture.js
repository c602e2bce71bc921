// Pictures to ask with: chosen, pasted or dropped; sent at once, so that the address can name them.
import { ask, problem } from "./asking.js";
import { tell } from "./said.js";
import { say } from "./words.js";

const form = document.getElementById("ask");
const chooser = document.getElementById("picture");
const box = form?.querySelector(".ask-box");

async function send(file) {
  if (!file?.type.startsWith("image/")) {
    tell(say("not_picture"));
    return;
  }
  const most = Number(form.dataset.most);
  if (file.size > most) { // refused before it is sent: that would take long, and end the same way
    const mb = (bytes) => (bytes / 1e6).toFixed(1);
    tell(say("search_too_large", { size: mb(file.size), most: mb(most) }));
    return;
  }
  tell(say("uploading"));
  const body = new FormData();
  body.append("picture", file);
  // Sent twice it is the same picture, so it may be.
  const response = await ask(form.dataset.upload, { method: "POST", body, again: true });
  if (!response?.ok) {
    tell(response ? (await problem(response)).detail : "");
    return;
  }
  form.elements.image.value = (await response.json()).token;
  form.requestSubmit();
}

chooser?.addEventListener("change", () => {
  if (chooser.files[0]) send(chooser.files[0]);
  chooser.value = ""; // the same file again is a choice, too
});
document.querySelector("[data-choose]")?.addEventListener("click", () => chooser.click());
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    send(file);
  }
});
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    box?.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => event.relatedTarget ?? box?.classList.remove("over"));
document.addEventListener("drop", (event) => {
  box?.classList.remove("over");
  if (!event.dataTransfer?.files.length) return;
  event.preventDefault();
  send(event.dataTransfer.files[0]);
});
