// Asks for an opening: what the browser plays, and what the server says to it.
import { loadLibrary } from "./stream.js";
import { say } from "./words.js";

const CODECS = {
  h264: "avc1.640028", hevc: "hvc1.1.6.L123.B0", av1: "av01.0.08M.08", vp9: "vp09.00.40.08",
};

// {problem, status, request_at} where it is refused; status 0: nobody answers.
export async function openingAt(address) {
  try {
    const response = await fetch(address, { headers: { Accept: "application/json" } });
    if (response.ok) return await response.json();
    const { detail, request_at } = await response.json().catch(() => ({}));
    const problem = response.status === 401 ? say("logged_out") : detail ?? `HTTP ${response.status}`;
    return { problem, status: response.status, request_at };
  } catch {
    return { problem: say("offline"), status: 0 };
  }
}

// Names of the codecs that this browser plays, as far as a name tells.
export async function codecsPlayed() {
  if (!(await loadLibrary())) return [];
  return Object.keys(CODECS).filter((name) => (
    window.MediaSource?.isTypeSupported(`video/mp4; codecs="${CODECS[name]}"`)
  ));
}
