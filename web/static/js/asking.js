// Asking the server, for every module that does. The contract:
//
//   import { ask, problem, trouble, returnsTo } from "./asking.js";
//   const answer = await ask(address, { signal });          // a Response, or null
//   if (!answer) return;                                     // the bar has said why
//   if (!answer.ok) show((await problem(answer)).detail);    // 400, 404, 409, 413, 507 …: yours
//
// Takes what fetch takes, and sends Accept: application/json and, unless it is a GET, the form
// token. What no module should have to know is said in one bar at the foot of the page, and what
// the page shows stays:
// - the session has ended (401, or sent to the login): a link logs in and comes back to this very
//   address → null. `{ at_login: true }`: as it is.
// - 403: what the server said → null. `{ refused: true }`: you get the Response and say it yourself.
// - 429: waits as told, then asks again.
// - no answer (restart, network; 502, 503 and 504 of a proxy): waits for /healthz, then asks
//   again. What is no GET is not asked again, for nobody knows whether it was done → null,
//   unless `{ again: true }` says that twice does no harm.
// - an aborted signal rejects with AbortError, as with fetch.
// A form token that another tab's login made worthless is fetched anew, once.
// Polling: skip your turn while `trouble()` is "session" or "silent"; "hindsight:back" on document
// tells that the server answers again.
import { say } from "./words.js";

const LONGEST_MS = 8000;
const bar = document.getElementById("trouble");
let now = null; // "session" | "right" | "silent" | "busy"
let returning = null; // the one wait for a server that is gone, shared by all who ask

let place = () => location.pathname + location.search + location.hash;

export const trouble = () => now;

// Where a login leads back to, for a page that knows it better than its address does.
export function returnsTo(address) {
  place = address;
}

export async function ask(address, options = {}) {
  const { refused = false, at_login = false, again, ...rest } = options;
  const asks = !rest.method || /^(GET|HEAD)$/i.test(rest.method);
  const repeats = again ?? asks;
  for (let renewed = false; ;) {
    const answer = await sent(address, rest, asks);
    if (!answer || [502, 503, 504].includes(answer.status)) {
      // A 503 that explains itself is the application's; a proxy's is no problem document.
      if (answer?.headers.get("Content-Type")?.startsWith("application/problem")) return answer;
      const back = silent();
      if (!repeats) return null;
      await unlessAborted(back, rest.signal);
      continue;
    }
    if (now === "silent") settled();
    if (isLogin(answer)) {
      if (at_login) return answer;
      ended();
      return null;
    }
    if (answer.status === 429 && repeats) {
      const wait_s = Math.min(60, Number(answer.headers.get("Retry-After")) || 5);
      tell("busy", say("too_many", { s: wait_s }));
      await unlessAborted(new Promise((done) => setTimeout(done, wait_s * 1000)), rest.signal);
      continue;
    }
    if (answer.status === 400 && !asks && !renewed) {
      renewed = true;
      if ((await problem(answer.clone())).type?.endsWith(":denied") && (await freshToken())) continue;
    }
    if (answer.status === 403 && !refused) {
      const { detail, request_at } = await problem(answer);
      tell("right", say("right_gone", { detail }), request_at && [request_at, say("approvals")]);
      return null;
    }
    if (answer.ok && (now === "session" || now === "busy")) settled();
    return answer;
  }
}

export async function problem(answer) {
  const told = await answer.json().catch(() => ({}));
  return { ...told, detail: told?.detail ?? `HTTP ${answer.status}` };
}

async function sent(address, rest, asks) {
  const headers = new Headers(rest.headers);
  if (!headers.has("Accept")) headers.set("Accept", "application/json");
  if (!asks) headers.set("X-CSRF-Token", token().content);
  try {
    return await fetch(address, { ...rest, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null;
  }
}

const token = () => document.querySelector("meta[name=csrf-token]");

async function freshToken() {
  const answer = await sent("/account", { headers: { Accept: "text/html" } }, true);
  const page = new DOMParser().parseFromString((await answer?.text()) ?? "", "text/html");
  const fresh = page.querySelector("meta[name=csrf-token]")?.content;
  if (fresh) token().content = fresh;
  return Boolean(fresh);
}

const isLogin = (answer) =>
  answer.status === 401 || (answer.redirected && new URL(answer.url).pathname === "/login");

function ended() {
  tell("session", say("session_ended"), [`/login?next=${encodeURIComponent(place())}`, say("log_in_again")]);
}

// Resolves when the server answers again.
function silent() {
  tell("silent", say("server_silent"));
  returning ??= (async () => {
    for (let wait_ms = 500; ; wait_ms = Math.min(LONGEST_MS, wait_ms * 2)) {
      await new Promise((done) => {
        const timer = setTimeout(done, wait_ms);
        addEventListener("online", () => (clearTimeout(timer), done()), { once: true });
      });
      const answer = await fetch("/healthz", { cache: "no-store" }).catch(() => null);
      if (answer?.ok) break;
    }
    returning = null;
    tell("back", say("server_back"));
    setTimeout(() => now === "back" && settled(), 4000);
    document.dispatchEvent(new CustomEvent("hindsight:back"));
  })();
  return returning;
}

function unlessAborted(promise, signal) {
  if (!signal) return promise;
  return Promise.race([
    promise,
    new Promise((_, fail) => {
      const stop = () => fail(new DOMException("aborted", "AbortError"));
      if (signal.aborted) stop();
      signal.addEventListener("abort", stop, { once: true });
    }),
  ]);
}

function settled() {
  now = null;
  bar.replaceChildren();
}

function tell(kind, text, link) {
  if (now === kind && bar.dataset.text === text) return;
  now = kind;
  bar.dataset.text = text;
  bar.dataset.kind = kind;
  const said = document.createElement("span");
  said.textContent = text;
  const parts = [said];
  if (link) {
    const to = document.createElement("a");
    [to.href, to.textContent, to.className] = [link[0], link[1], "button"];
    parts.push(to);
  }
  const close = document.createElement("button");
  [close.type, close.textContent, close.className] = ["button", say("close"), "quiet"];
  close.addEventListener("click", settled);
  bar.replaceChildren(...parts, close);
}
