// The line under the search box: what came of something, of this desk alone.
import { returnsTo } from "./asking.js";

const line = document.getElementById("said");
const form = document.getElementById("ask");
const filled = () => (
  new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== "")).toString()
);
const asLoaded = form && filled();

export function tell(text) {
  line.textContent = text;
}

// A login leads back to what stands in the form by then, not only to what was asked with it.
if (form) {
  returnsTo(() => (filled() === asLoaded
    ? location.pathname + location.search + location.hash
    : `${location.pathname}?${filled()}`));
}
