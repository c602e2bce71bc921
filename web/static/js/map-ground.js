// The ground that the settings name: tiles of a PMTiles file, of a folder, of a server, or none.
import { say } from "./words.js";

const { L } = window;
export const MOST_ZOOM = 20;

export function isDark() {
  const theme = document.documentElement.dataset.theme;
  return theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
}

// Lays it under the cameras; `failed` is called once with why, where it cannot be had.
export function layGround(map, ground, failed) {
  if (ground.kind === "plain") return null;
  let told = false;
  const tell = (error) => {
    if (told) return;
    told = true;
    failed(say("map_no_ground", { detail: error?.message ?? String(error) }));
  };
  try {
    const layer = made(ground, tell);
    layer.addTo(map);
    return layer;
  } catch (error) {
    tell(error);
    return null;
  }
}

function made(ground, tell) {
  const options = {
    minZoom: ground.min, maxNativeZoom: ground.max, maxZoom: MOST_ZOOM, attribution: escaped(ground.credit),
  };
  if (ground.kind === "raster") {
    const file = new window.pmtiles.PMTiles(ground.address);
    file.getHeader().catch(tell);
    return rasterLayer(file, options, tell);
  }
  if (ground.kind === "vector") {
    const lang = document.documentElement.lang.slice(0, 2);
    return window.protomapsL.leafletLayer({
      url: new URL(ground.address, location.href).href, flavor: isDark() ? "dark" : "light", lang,
      maxDataZoom: ground.max, attribution: options.attribution,
    });
  }
  const layer = L.tileLayer(ground.address, { ...options, referrerPolicy: "no-referrer" });
  let loaded = false;
  layer.on("tileload", () => { loaded = true; });
  layer.on("tileerror", ({ tile }) => {
    if (!loaded && ground.kind === "server") tell(new URL(tile.src).host);
  });
  return layer;
}

// Raster tiles out of the file, zoomed beyond its last zoom as other tiles are.
function rasterLayer(file, options, tell) {
  const Tiles = L.GridLayer.extend({
    createTile(coords, done) {
      const image = document.createElement("img");
      image.alt = "";
      file.getZxy(coords.z, coords.x, coords.y).then((found) => {
        if (!found) return done(null, image);
        const address = URL.createObjectURL(new Blob([found.data]));
        image.addEventListener("load", () => { URL.revokeObjectURL(address); done(null, image); }, { once: true });
        image.addEventListener("error", () => { URL.revokeObjectURL(address); done(new Error("tile"), image); }, { once: true });
        image.src = address;
        return undefined;
      }).catch((error) => { tell(error); done(error, image); });
      return image;
    },
  });
  return new Tiles(options);
}


// Leaflet sets the credit as HTML: it is text.
function escaped(text) {
  const box = document.createElement("span");
  box.textContent = text;
  return box.innerHTML;
}
