// "What did the neighbours see": asked for by a press, since each answer is an audited look.
import { say } from "./words.js";

// shown() → {camera, us, case, reason}; beside: the cameras that are on the clock already
export function neighbours(button, panel, shown, beside) {
  button.addEventListener("click", async () => {
    const { camera, us, case: number, reason } = shown() ?? {};
    if (!camera || us === undefined) return;
    const query = new URLSearchParams({ at: us });
    for (const one of beside()) query.append("beside", one);
    if (number) query.set("case", number);
    if (reason) query.set("reason", reason);
    panel.hidden = false;
    panel.setAttribute("aria-busy", "true");
    if (!panel.firstElementChild) panel.textContent = say("near_loading");
    try {
      const response = await fetch(`/player/${encodeURIComponent(camera)}/near?${query}`, {
        headers: { Accept: "text/html, application/json;q=0.9" },
      });
      const type = response.headers.get("Content-Type") ?? "";
      if (response.ok) panel.innerHTML = await response.text();
      else if (type.includes("json")) panel.textContent = (await response.json()).detail;
      else panel.textContent = response.status === 401 ? say("logged_out") : `HTTP ${response.status}`;
    } catch {
      panel.textContent = say("offline");
    }
    panel.removeAttribute("aria-busy");
  });
}
