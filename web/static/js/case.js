// The page of a case: print it.
document.querySelector("[data-print]")?.addEventListener("click", () => window.print());
