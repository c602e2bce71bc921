// The timeline under the player: the cameras of its clock, about the instant it shows. A click
// seeks, a double click plays, what is dragged over is the marked span; and the other way round.
import { Timeline } from "./timeline.js";

const EVERY_MS = 200; // its cursor, while pictures run

export function timelineUnder(player, element) {
  let line = null;
  let moved = 0;
  const begin = (us) => {
    element.dataset.us = us;
    line = new Timeline(element);
    marks(player.marks.span);
  };
  const marks = ({ in: from, out: to }) => line?.mark(from, to);

  player.shows = (us) => {
    if (!line) begin(us);
    else if (!player.engine?.playing || performance.now() - moved > EVERY_MS) {
      moved = performance.now();
      line.show(us);
    }
  };
  player.root.addEventListener("marked", ({ detail }) => marks(detail));
  element.addEventListener("instant", ({ detail }) => player.seek(detail.us));
  element.addEventListener("open", ({ detail }) => player.seek(detail.us, { play: true }));
  element.addEventListener("span", ({ detail: { from_us: from, to_us: to } }) => {
    if (from === null) player.marks.clear();
    else player.marks.take(from, to, player.source);
  });
}
